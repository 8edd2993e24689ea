//! The `Image` of an arm64 Linux kernel: its header, and what is found in it by content.

use super::bytes::{c_string, find, u32_at, u64_at};

/// Where the magic number is, and what it is (Linux, `Documentation/arch/arm64/booting.rst`).
const MAGIC: (usize, &[u8]) = (56, b"ARM\x64");
/// Bit 0 of the flags: the kernel is big-endian.
const BIG_ENDIAN: u64 = 1;

/// Why a file is no kernel whose symbols can be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The magic number is not there.
    #[error(
        "this is no arm64 Linux kernel: an Image has 'ARM\\x64' at byte 56, and this file has {found:02x?}; \
         give the vmlinuz or Image of an arm64 kernel"
    )]
    NoImage {
        /// What is there instead, as far as the file goes.
        found: Vec<u8>,
    },

    /// It is an ELF file, which has its symbols already.
    #[error(
        "this is an ELF file, which gdb reads as it is; a vmlinuz or Image is what symbols are taken out of"
    )]
    Elf,

    /// It is for big-endian machines.
    #[error("this kernel is big-endian (bit 0 of its flags, {flags:#x}), which is not read here")]
    BigEndian {
        /// The header's flags.
        flags: u64,
    },
}

/// What a banner begins with.
const BANNER: &[u8] = b"Linux version ";

/// An arm64 kernel as it lies in memory after a boot loader has loaded it, before it has run.
#[derive(Clone, Copy, Debug)]
pub struct KernelImage<'a> {
    bytes: &'a [u8],
    size: u64,
}

impl<'a> KernelImage<'a> {
    /// Takes the bytes of an unpacked kernel.
    ///
    /// # Errors
    /// [`ImageError`], where the header is not that of a little-endian arm64 kernel.
    pub fn new(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let (at, magic) = MAGIC;
        if bytes.starts_with(b"\x7fELF") {
            return Err(ImageError::Elf);
        }
        let rest = bytes.get(at..).unwrap_or_default();
        if !rest.starts_with(magic) {
            let found = rest.get(..magic.len()).unwrap_or(rest).to_owned();
            return Err(ImageError::NoImage { found });
        }
        let flags = u64_at(bytes, 24).unwrap_or_default();
        if flags & BIG_ENDIAN != 0 {
            return Err(ImageError::BigEndian { flags });
        }
        let size = u64_at(bytes, 16).unwrap_or_default();
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        // Kernels before 3.17 leave it 0. What is far larger than any kernel is no size either.
        let size = if (length..1 << 32).contains(&size) { size } else { length };
        Ok(Self { bytes, size })
    }

    /// The file's bytes; the first of them is at the symbol `_text`.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How much memory the kernel takes in bytes, `.bss` included: at least the length of the file.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The kernel's own words on its version, `Linux version …`, without the line's end.
    #[must_use]
    pub fn banner(&self) -> Option<&'a str> {
        self.find_banner().map(|(_, banner)| banner)
    }

    /// Where the banner is, and the banner.
    pub(super) fn find_banner(&self) -> Option<(usize, &'a str)> {
        let mut from = 0;
        let mut first = None;
        while let Some(at) = find(self.bytes, BANNER, from) {
            let banner = self.banner_at(at).map(|banner| (at, banner));
            // Since Linux 6.1 another one stands before it, of before the kernel was given its number.
            if banner.is_some_and(|(_, text)| has_number(text)) {
                return banner;
            }
            first = first.or(banner);
            from = at + BANNER.len();
        }
        first
    }

    /// The banner that begins at an offset.
    pub(super) fn banner_at(&self, at: usize) -> Option<&'a str> {
        const LONGEST: usize = 1024;
        let text = std::str::from_utf8(c_string(self.bytes, at, LONGEST)?).ok()?.trim_end();
        // The same words also begin a format string, which has no version in it.
        let version = text.as_bytes().strip_prefix(BANNER)?;
        version.first().is_some_and(u8::is_ascii_digit).then_some(text)
    }

    /// The kernel's release, as `uname -r` says it.
    #[must_use]
    pub fn release(&self) -> Option<&'a str> {
        self.banner()?.split(' ').nth(2)
    }
}

/// Whether a banner has the number of the build in it, `#1`.
fn has_number(banner: &str) -> bool {
    banner.split(" #").skip(1).any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// The addends of the image's relative relocations.
///
/// A kernel that moves in memory leaves its pointers 0 in the file: their values are in a table of
/// `Elf64_Rela` that the kernel applies to itself when it starts.
#[derive(Clone, Default, Debug)]
pub(super) struct Relocations {
    /// By place.
    entries: Vec<(u64, u64)>,
}

impl Relocations {
    /// `R_AARCH64_RELATIVE`, symbol 0: ELF for the Arm 64-bit Architecture, "Dynamic relocations".
    const RELATIVE: u32 = 0x403;
    /// Bytes of one `Elf64_Rela`.
    const STRIDE: usize = 24;
    /// So few are a coincidence.
    const FEWEST: usize = 16;

    /// Finds the table: the longest run of records that are relative relocations.
    pub(super) fn find(image: &[u8]) -> Self {
        let is_relative =
            |at: usize| u32_at(image, at) == Some(Self::RELATIVE) && u32_at(image, at + 4) == Some(0);
        let mut longest = (0, 0);
        let mut at = 8;
        while at + 8 <= image.len() {
            let mut count = 0;
            while is_relative(at + count * Self::STRIDE) {
                count += 1;
            }
            if count > longest.1 {
                longest = (at, count);
            }
            at += if count == 0 { 8 } else { count * Self::STRIDE };
        }
        let (first, count) = longest;
        if count < Self::FEWEST {
            return Self::default();
        }
        let mut entries: Vec<_> = (0..count)
            .filter_map(|index| {
                let at = first + index * Self::STRIDE;
                Some((u64_at(image, at - 8)?, u64_at(image, at + 8)?))
            })
            .collect();
        entries.sort_unstable();
        Self { entries }
    }

    /// All that is put anywhere.
    pub(super) fn pointers(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().map(|entry| entry.1)
    }

    /// What is put at an address.
    pub(super) fn at(&self, place: u64) -> Option<u64> {
        let index = self.entries.binary_search_by_key(&place, |entry| entry.0).ok()?;
        self.entries.get(index).map(|entry| entry.1)
    }

    /// The address of the image's first byte, and the pointer that is put at `slot` in it, when that pointer
    /// is known to be to somewhere at the image's begin.
    pub(super) fn base_by(&self, slot: usize) -> Option<(u64, u64)> {
        /// Images are linked at multiples of 2 MiB, before Linux 5.8 with 512 KiB on top.
        const ALIGNMENT: u64 = 64 << 10;
        /// How far behind the first byte the first function can be.
        const NEAR: u64 = 1 << 20;
        let slot = u64::try_from(slot).ok()?;
        let first = self.entries.first()?.0;
        let bases = self.entries.iter().filter_map(|&(place, pointer)| {
            let base = place.checked_sub(slot)?;
            let near = pointer.checked_sub(base).is_some_and(|distance| distance < NEAR);
            (base % ALIGNMENT == 0 && base <= first && near).then_some((base, pointer))
        });
        bases.min_by_key(|(base, pointer)| pointer - base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(flags: u64) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[16..24].copy_from_slice(&0x20_0000_u64.to_le_bytes());
        bytes[24..32].copy_from_slice(&flags.to_le_bytes());
        bytes[56..60].copy_from_slice(b"ARM\x64");
        bytes
    }

    #[test]
    fn only_a_little_endian_image_is_taken() {
        assert_eq!(KernelImage::new(&image(0xa)).unwrap().size(), 0x20_0000);
        assert_eq!(KernelImage::new(&image(0xb)).unwrap_err(), ImageError::BigEndian { flags: 0xb });
        assert_eq!(KernelImage::new(b"\x7fELF").unwrap_err(), ImageError::Elf);
        assert_eq!(KernelImage::new(b"MZ").unwrap_err(), ImageError::NoImage { found: Vec::new() });
        let error = KernelImage::new(&[0; 58]).unwrap_err();
        assert_eq!(error, ImageError::NoImage { found: vec![0, 0] });
    }

    #[test]
    fn a_size_below_the_file_s_or_beyond_reason_is_not_believed() {
        for size in [0, 63, u64::MAX] {
            let mut bytes = image(0);
            bytes[16..24].copy_from_slice(&size.to_le_bytes());
            assert_eq!(KernelImage::new(&bytes).unwrap().size(), 64);
        }
    }

    #[test]
    fn the_banner_is_the_one_with_a_version() {
        let mut bytes = image(0);
        bytes.extend(b"Linux version %s (%s)\n\0Linux version 6.1.0-9-arm64 (x@y) #1 SMP\n\0");
        let image = KernelImage::new(&bytes).unwrap();
        assert_eq!(image.banner(), Some("Linux version 6.1.0-9-arm64 (x@y) #1 SMP"));
        assert_eq!(image.release(), Some("6.1.0-9-arm64"));
    }

    #[test]
    fn the_banner_is_the_one_with_a_number_where_there_are_two() {
        let mut bytes = image(0);
        bytes.extend(b"Linux version 6.12.1-arm64 (x@y) # SMP\n\0");
        assert_eq!(
            KernelImage::new(&bytes).unwrap().banner(),
            Some("Linux version 6.12.1-arm64 (x@y) # SMP")
        );
        bytes.extend(b"Linux version 6.12.1-arm64 (x@y) #1 SMP\n\0");
        assert_eq!(
            KernelImage::new(&bytes).unwrap().banner(),
            Some("Linux version 6.12.1-arm64 (x@y) #1 SMP")
        );
    }

    #[test]
    fn relocations_give_pointers_and_the_base() {
        const BASE: u64 = 0xffff_8000_0800_0000;
        let mut bytes = image(0);
        for index in (0..20_u64).rev() {
            for word in [BASE + 0x100 + 8 * index, 0x403, BASE + 0x1000 * index] {
                bytes.extend(word.to_le_bytes());
            }
        }
        let relocations = Relocations::find(&bytes);
        assert_eq!(relocations.at(BASE + 0x108), Some(BASE + 0x1000));
        assert_eq!(relocations.at(BASE + 0x104), None);
        assert_eq!(relocations.base_by(0x100), Some((BASE, BASE)));
        assert_eq!(relocations.base_by(0x110), Some((BASE, BASE + 0x2000)));
        assert_eq!(relocations.base_by(0x101), None);
        assert_eq!(Relocations::find(&bytes[..64 + 24 * 10]).at(BASE + 0x198), None);
    }
}
