//! Register layouts: one file a register, bits and field values, nothing else.
