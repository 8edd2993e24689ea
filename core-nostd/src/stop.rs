//! Why the target stopped, and whether that is ours or the guest's.
