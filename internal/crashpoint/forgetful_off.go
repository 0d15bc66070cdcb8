//go:build !crashpoint

package crashpoint

// Forgetful says that nothing is made durable. In a product it is a constant: everything is.
const Forgetful = false
