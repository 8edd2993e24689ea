//! Little-endian values out of bytes that nobody vouches for.

/// The `N` bytes at `at`.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// The 16 bits at `at`.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

/// The 32 bits at `at`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// The 32 bits at `at`, as a length or an index.
pub(crate) fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32_at(bytes, at)?).ok()
}

/// The 32 bits at `at`, with their sign.
pub(crate) fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    array(bytes, at).map(i32::from_le_bytes)
}

/// The 64 bits at `at`.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// The bytes from `at` to the next NUL, without it, at most `limit` of them; `None` where there is no NUL.
pub(crate) fn c_string(bytes: &[u8], at: usize, limit: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    let rest = rest.get(..limit.saturating_add(1)).unwrap_or(rest);
    rest.get(..rest.iter().position(|&byte| byte == 0)?)
}

/// Where `needle` begins in `bytes`, from `from` on.
pub(crate) fn find(bytes: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let (&first, rest) = needle.split_first()?;
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == first)?;
        if bytes.get(at + 1..)?.starts_with(rest) {
            return Some(at);
        }
        at += 1;
    }
}

/// The smallest multiple of `alignment`, a power of two, that is not below `at`.
pub(crate) const fn align_up(at: usize, alignment: usize) -> usize {
    at.saturating_add(alignment - 1) & !(alignment - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_beyond_the_end() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(u64_at(&bytes, 0), Some(0x0807_0605_0403_0201));
        assert_eq!(u32_at(&bytes, 4), Some(0x0807_0605));
        for at in [5, 8, 9, usize::MAX] {
            assert_eq!(u32_at(&bytes, at), None);
        }
    }

    #[test]
    fn a_string_without_an_end_is_none() {
        assert_eq!(c_string(b"ab\0c", 0, 9), Some(&b"ab"[..]));
        assert_eq!(c_string(b"ab\0c", 0, 2), Some(&b"ab"[..]));
        assert_eq!(c_string(b"ab\0c", 0, 1), None);
        assert_eq!(c_string(b"ab\0c", 3, 9), None);
    }

    #[test]
    fn the_first_occurrence_is_found() {
        assert_eq!(find(b"aabaabb", b"aabb", 0), Some(3));
        assert_eq!(find(b"aabaabb", b"aab", 1), Some(3));
        assert_eq!(find(b"aab", b"aabb", 0), None);
        assert_eq!(find(b"aab", b"b", 9), None);
    }
}
