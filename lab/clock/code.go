package main

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
)

// stubs gives, for each function that tells the time of day, machine code that asks the kernel and adds so many seconds
// (x86-64, System V ABI: arguments in rdi and rsi, result in rax; rcx and r11 are anybody's).
func stubs(seconds int64) map[string][]byte {
	number := binary.LittleEndian.AppendUint64(nil, uint64(seconds))
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	return map[string][]byte{
		"__vdso_clock_gettime": join(
			[]byte{
				0xb8, 228, 0, 0, 0, // mov eax, clock_gettime
				0x0f, 0x05, // syscall
				0x85, 0xc0, // test eax, eax
				0x75, 27, // jnz end
				0x85, 0xff, // test edi, edi       CLOCK_REALTIME
				0x74, 10, // jz add
				0x83, 0xff, 5, // cmp edi, 5       CLOCK_REALTIME_COARSE
				0x74, 5, // jz add
				0x83, 0xff, 11, // cmp edi, 11     CLOCK_TAI
				0x75, 13, // jnz end
				0x48, 0xb9, // add: mov rcx, seconds
			},
			number,
			[]byte{
				0x48, 0x01, 0x0e, // add [rsi], rcx
				0xc3, // end: ret
			},
		),
		"__vdso_gettimeofday": join(
			[]byte{
				0xb8, 96, 0, 0, 0, // mov eax, gettimeofday
				0x0f, 0x05, // syscall
				0x85, 0xc0, // test eax, eax
				0x75, 18, // jnz end
				0x48, 0x85, 0xff, // test rdi, rdi
				0x74, 13, // jz end
				0x48, 0xb9, // mov rcx, seconds
			},
			number,
			[]byte{
				0x48, 0x01, 0x0f, // add [rdi], rcx
				0xc3, // end: ret
			},
		),
		"__vdso_time": join(
			[]byte{
				0xb8, 201, 0, 0, 0, // mov eax, time
				0x0f, 0x05, // syscall
				0x48, 0xb9, // mov rcx, seconds
			},
			number,
			[]byte{
				0x48, 0x01, 0xc8, // add rax, rcx
				0x48, 0x85, 0xff, // test rdi, rdi
				0x74, 3, // jz end
				0x48, 0x89, 0x07, // mov [rdi], rax
				0xc3, // end: ret
			},
		),
	}
}

// setWrong replaces the functions in the memory of a program that has not yet begun.
func setWrong(pid int, seconds int64) error {
	start, end, err := place(pid)
	if err != nil {
		return err
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	image := make([]byte, end-start)
	if _, err := memory.ReadAt(image, start); err != nil {
		return err
	}
	library, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return err
	}
	if library.Machine != elf.EM_X86_64 {
		return fmt.Errorf("no code for a processor of kind %v", library.Machine)
	}
	symbols, err := library.DynamicSymbols()
	if err != nil {
		return err
	}
	wanted := stubs(seconds)
	for _, symbol := range symbols {
		stub, ok := wanted[symbol.Name]
		if !ok {
			continue
		}
		if symbol.Size < uint64(len(stub)) {
			return fmt.Errorf("%s has no room for %d bytes", symbol.Name, len(stub))
		}
		if _, err := memory.WriteAt(stub, start+int64(symbol.Value)); err != nil {
			return err
		}
		delete(wanted, symbol.Name)
	}
	if len(wanted) > 0 {
		return fmt.Errorf("the kernel's code has %d functions less than known", len(wanted))
	}
	return nil
}

// place is where the kernel has put its code.
func place(pid int) (start, end int64, err error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, 0, err
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		if strings.HasSuffix(lines.Text(), "[vdso]") {
			_, err := fmt.Sscanf(lines.Text(), "%x-%x", &start, &end)
			return start, end, err
		}
	}
	return 0, 0, fmt.Errorf("process %d has no code of the kernel", pid)
}
