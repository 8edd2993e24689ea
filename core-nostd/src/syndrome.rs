//! ESR_ELx, decoded.
