package git

import "runtime"

// spawner runs every start on one operating system thread that never ends
// before the process: the kernel sends Pdeathsig when the *thread* that forked
// dies, and Go ends threads at will.
func spawner(starts <-chan func()) {
	runtime.LockOSThread()
	for start := range starts {
		start()
	}
}
