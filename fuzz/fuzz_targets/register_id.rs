//! See `trapline_fuzz::register_id`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::register_id::check);
