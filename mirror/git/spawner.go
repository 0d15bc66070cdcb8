package git

import "runtime"

// spawner runs every start on one operating system thread, which lives as long
// as the Runner: the kernel sends Pdeathsig when the *thread* that forked dies,
// and Go ends threads at will unless one is locked.
func spawner(starts <-chan func(), closed <-chan struct{}) {
	runtime.LockOSThread()
	for {
		select {
		case start := <-starts:
			start()
		case <-closed:
			return
		}
	}
}
