//! How entries are listed: `module::Type::function`, as the documentation has it.

/// Links functions, each as a whole and for any arguments.
macro_rules! link {
    ($($function:expr),+ $(,)?) => {
        core::hint::black_box(const { &[$($function as *const ()),+] as &[*const ()] })
    };
}

/// Links `Default` of types.
macro_rules! default {
    ($($type:ty),+ $(,)?) => { link![$(<$type as Default>::default),+] };
}

/// Links `Display` of types, with the feature `text`.
#[cfg(feature = "text")]
macro_rules! display {
    ($($type:ty),+ $(,)?) => { link![$(<$type as core::fmt::Display>::fmt),+] };
}

#[cfg(not(feature = "text"))]
macro_rules! display {
    ($($type:ty),+ $(,)?) => {};
}

/// Links `Error` of types, and what it takes, with the feature `text`.
#[cfg(feature = "text")]
macro_rules! error {
    ($($type:ty),+ $(,)?) => {
        link![$(
            <$type as core::error::Error>::source,
            <$type as core::fmt::Display>::fmt,
            <$type as core::fmt::Debug>::fmt,
        )+]
    };
}

#[cfg(not(feature = "text"))]
macro_rules! error {
    ($($type:ty),+ $(,)?) => {};
}

/// Links `Debug` of types, which is derived and taken only with the feature `derived`.
#[cfg(feature = "derived")]
macro_rules! debug {
    ($($type:ty),+ $(,)?) => { link![$(<$type as core::fmt::Debug>::fmt),+] };
}

#[cfg(not(feature = "derived"))]
macro_rules! debug {
    ($($type:ty),+ $(,)?) => {};
}

/// Links what a register layout has: `layout!(Type: bits { fields })`. The accessors of its fields are inlined
/// wherever they are used, and are taken only with the feature `derived`, each as a function of its own.
macro_rules! layout {
    ($register:ty: $bits:ty { $($field:ident),+ $(,)? }) => {
        read_only!($register: $bits { $($field),+ });
        link![<$register>::new, <$register as Default>::default];
        #[cfg(feature = "derived")]
        pastey::paste! {
            link![$(
                <$register>::[<with_ $field>],
                <$register>::[<with_ $field _checked>],
                <$register>::[<set_ $field>],
                <$register>::[<set_ $field _checked>],
            )+];
        }
    };
}

/// The same for a layout that is only read.
macro_rules! read_only {
    ($register:ty: $bits:ty { $($field:ident),+ $(,)? }) => {
        link![
            <$register>::from_bits,
            <$register>::into_bits,
            <$register as From<$bits>>::from,
            <$bits as From<$register>>::from,
        ];
        debug![$register];
        #[cfg(feature = "derived")]
        link![$(<$register>::$field),+];
    };
}
