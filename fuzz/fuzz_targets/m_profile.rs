//! See `trapline_fuzz::m_profile`.

#![cfg_attr(fuzzing, no_main)]

trapline_fuzz::fuzz_target!(trapline_fuzz::m_profile::check);
