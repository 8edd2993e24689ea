//! Trapline on KVM.
