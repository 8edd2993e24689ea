//! See `trapline_fuzz::translation_aarch32`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::translation_aarch32::check);
