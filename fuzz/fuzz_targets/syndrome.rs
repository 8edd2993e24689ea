//! See `trapline_fuzz::syndrome`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::syndrome::check);
