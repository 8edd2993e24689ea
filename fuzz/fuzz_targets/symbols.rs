//! See `trapline_fuzz::symbols`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::symbols::check);
