package git

import (
	"os"

	"golang.org/x/sys/unix"
)

// stepBack gives a child the lowest priority at processors and disks, as nice(1) and ionice(1)
// do. A kernel that refuses has it run all the same.
func stepBack(p *os.Process) {
	const (
		lowest    = 19
		whoGroup  = 2       // IOPRIO_WHO_PGRP
		classIdle = 3 << 13 // IOPRIO_CLASS_IDLE: only what nobody else takes of a disk
	)
	_ = unix.Setpriority(unix.PRIO_PGRP, p.Pid, lowest)
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, whoGroup, uintptr(p.Pid), classIdle)
}
