//! AArch32 views of the AArch64 registers.
