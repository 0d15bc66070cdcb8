package proof

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// gently does something at the lowest priority at processors and disks, as nice(1) and
// ionice(1) do: on a thread of its own, which ends with it. A kernel that refuses has it done all the
// same.
func gently(do func()) {
	const (
		lowest     = 19
		whoProcess = 1       // IOPRIO_WHO_PROCESS: of Linux, a thread
		classIdle  = 3 << 13 // IOPRIO_CLASS_IDLE: only what nobody else takes of a disk
	)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: nobody else is to have this thread
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, lowest)
		_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, whoProcess, 0, classIdle)
		do()
	}()
	<-done
}
