//! See `trapline_fuzz::stepping`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::stepping::check);
