package node

// StopBound is how long a stop waits for requests.
const StopBound = stopBound
