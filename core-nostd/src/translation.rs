//! Stage 1 translation walks.
