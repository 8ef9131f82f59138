# The commands that people and CI share. Everything they do lives in `cargo xtask ci`.

.PHONY: check test full

# Every commit: format, lints, walls, generated files, unit tests, casebook. No lab, no network.
check:
	cargo xtask ci check

# Everything that a change must pass, on real parts. Ends with one line: N passed, N failed, N skipped.
test:
	cargo xtask ci test

# Everything there is, before a part is called done. What passed on a commit is not run again on it.
full:
	cargo xtask ci full
