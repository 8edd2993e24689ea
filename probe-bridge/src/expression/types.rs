//! The types of values.

/// An integer type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Integer {
    bytes: u8,
    signed: bool,
}

/// The type of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Type {
    Integer(Integer),
    Pointer(Integer),
}

impl Integer {
    pub(super) const I64: Self = Self { bytes: 8, signed: true };
    pub(super) const U64: Self = Self { bytes: 8, signed: false };

    pub(super) const fn bytes(self) -> u8 {
        self.bytes
    }

    pub(super) const fn is_signed(self) -> bool {
        self.signed
    }

    /// The type that these words name: C's (with `char` without a sign, as on Arm), those of its `stdint.h`,
    /// Linux's and Rust's.
    pub(super) fn named(words: &[String]) -> Option<Self> {
        let (first, rest) = words.split_first()?;
        let (signed, words) = match first.as_str() {
            "unsigned" => (Some(false), rest),
            "signed" => (Some(true), rest),
            _ => (None, words),
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (bytes, by_itself) = match words.as_slice() {
            ["char"] => (1, false),
            ["short"] | ["short", "int"] => (2, true),
            ["int"] => (4, true),
            ["long"] | ["long", "int"] | ["long", "long"] | ["long", "long", "int"] => (8, true),
            [] if signed.is_some() => (4, true),
            [name] if signed.is_none() => fixed(name)?,
            _ => return None,
        };
        Some(Self { bytes, signed: signed.unwrap_or(by_itself) })
    }
}

/// A type that is one word: its size, and whether it has a sign.
fn fixed(name: &str) -> Option<(u8, bool)> {
    Some(match name {
        "u8" | "uint8_t" | "__u8" => (1, false),
        "i8" | "s8" | "int8_t" | "__s8" => (1, true),
        "u16" | "uint16_t" | "__u16" => (2, false),
        "i16" | "s16" | "int16_t" | "__s16" => (2, true),
        "u32" | "uint32_t" | "__u32" => (4, false),
        "i32" | "s32" | "int32_t" | "__s32" => (4, true),
        "u64" | "uint64_t" | "__u64" | "usize" | "size_t" | "uintptr_t" => (8, false),
        "i64" | "s64" | "int64_t" | "__s64" | "isize" | "ssize_t" | "intptr_t" => (8, true),
        "bool" | "_Bool" => (1, false),
        _ => return None,
    })
}

impl Type {
    /// Whether calculations with it are signed. What is smaller than 64 bits fits with or without a sign.
    pub(super) const fn is_signed(self) -> bool {
        match self {
            Self::Integer(integer) => integer.signed || integer.bytes < 8,
            Self::Pointer(_) => false,
        }
    }

    /// The type of a calculation with it alone.
    pub(super) const fn widened(self) -> Self {
        Self::Integer(if self.is_signed() { Integer::I64 } else { Integer::U64 })
    }
}
