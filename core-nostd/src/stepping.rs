//! What a step must not disturb.
