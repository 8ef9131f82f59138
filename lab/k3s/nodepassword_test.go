package main

import "testing"

// Facts 3.1. The hash was made with Python's hashlib.
func TestTheHashOfANodePassword(t *testing.T) {
	const known = "$1:0011223344556677:15:8:1:RvdiXKLcIGPRPyNnpgV8rzYQltulGejjGCAPNsaQo/1D9TVrs4f1hHHXgMnSNzAnwGJ+oizO51dvgQnuYv8PWw=="
	if err := verifyPassword(known, "node-secret"); err != nil {
		t.Fatal(err)
	}
	wantError(t, verifyPassword(known, "another"), "hash does not match")
	made, err := passwordHash("x")
	if err != nil || verifyPassword(made, "x") != nil {
		t.Fatal(made, err)
	}
	for _, bad := range []string{"", "x", "$1:zz:15:8:1:x", "$1:00:99:8:1:x", "$2:00:15:8:1:x"} {
		if verifyPassword(bad, "x") == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
