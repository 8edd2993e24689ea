//! The header of an arm64 Linux `Image` (Linux, Documentation/arch/arm64/booting.rst).

/// Where the magic number stands, and what it is.
const MAGIC: (usize, &[u8]) = (0x38, b"ARM\x64");
/// What a kernel of before Linux 3.17 is loaded above its base, for its header does not say so.
const OLD_TEXT_OFFSET: u64 = 0x8_0000;
/// The memory for the BSS of such a kernel, whose header does not say how large it is.
const OLD_BSS: u64 = 16 << 20;
/// The base that a kernel is loaded above is a multiple of this.
pub(super) const ALIGNMENT: u64 = 2 << 20;

/// What kernels of other architectures have, and where (Linux, Documentation/arch/{x86/boot,riscv/boot-image-header}.rst,
/// and `arch/arm/boot/compressed/head.S`).
const OTHERS: [(usize, &[u8], &str); 3] =
    [(0x202, b"HdrS", "x86"), (0x38, b"RSC\x05", "RISC-V"), (0x24, &[0x18, 0x28, 0x6f, 0x01], "32-bit Arm")];

const FLAG_BIG_ENDIAN: u64 = 1 << 0;

/// Why an `Image` cannot be booted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The kernel is big-endian.
    #[error(
        "the kernel is big-endian, and this machine starts little-endian ones; build it without CONFIG_CPU_BIG_ENDIAN"
    )]
    BigEndian,

    /// The kernel does not fit into an address space.
    #[error("the kernel's header asks for {image_size:#x} bytes at {text_offset:#x}, which is no memory")]
    Size {
        /// `text_offset`.
        text_offset: u64,
        /// `image_size`.
        image_size: u64,
    },
}

/// What the header of an `Image` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImageHeader {
    /// How far above a base, a multiple of 2 MiB, the kernel is loaded, in bytes.
    pub text_offset: u64,
    /// How much memory the kernel takes from there on, in bytes, at least as much as its file.
    pub image_size: u64,
}

impl ImageHeader {
    /// Reads the header; `None` where the file is no `Image`.
    ///
    /// # Errors
    /// [`ImageError`].
    #[must_use]
    pub fn parse(file: &[u8]) -> Option<Result<Self, ImageError>> {
        let (at, magic) = MAGIC;
        if file.get(at..)?.get(..magic.len())? != magic {
            return None;
        }
        let word = |at: usize| file.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let (text_offset, image_size, flags) = (word(0x08)?, word(0x10)?, word(0x18)?);
        let length = file.len() as u64;
        let (text_offset, image_size) = match image_size {
            0 => (OLD_TEXT_OFFSET, length.saturating_add(OLD_BSS)),
            size => (text_offset, size.max(length)),
        };
        if flags & FLAG_BIG_ENDIAN != 0 {
            return Some(Err(ImageError::BigEndian));
        }
        Some(match text_offset.checked_add(image_size) {
            Some(end) if end < 1 << 48 => Ok(Self { text_offset, image_size }),
            _ => Err(ImageError::Size { text_offset, image_size }),
        })
    }
}

/// The architecture of a Linux kernel that is for another one.
pub(super) fn other_architecture(file: &[u8]) -> Option<&'static str> {
    let has =
        |(at, magic, _): &&(usize, &[u8], _)| file.get(*at..).is_some_and(|file| file.starts_with(magic));
    OTHERS.iter().find(has).map(|(_, _, name)| *name)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An `Image` of a page with this in its header.
    pub(in crate::machine) fn image(text_offset: u64, image_size: u64, flags: u64) -> Vec<u8> {
        let mut file = vec![0; 0x1000];
        for (at, word) in [(0x08, text_offset), (0x10, image_size), (0x18, flags)] {
            file[at..at + 8].copy_from_slice(&u64::to_le_bytes(word));
        }
        file[0x38..0x3c].copy_from_slice(b"ARM\x64");
        file
    }

    fn parse(file: &[u8]) -> Result<(u64, u64), ImageError> {
        ImageHeader::parse(file).unwrap().map(|header| (header.text_offset, header.image_size))
    }

    #[test]
    fn the_kernel_takes_what_its_header_says_and_never_less_than_its_file() {
        assert_eq!(parse(&image(0, 0x0200_0000, 0xa)), Ok((0, 0x0200_0000)));
        assert_eq!(parse(&image(0x8_0000, 0x10, 0)), Ok((0x8_0000, 0x1000)));
        assert_eq!(parse(&image(0x1234, 0, 0)), Ok((0x8_0000, 0x1000 + (16 << 20))));
    }

    #[test]
    fn what_cannot_be_booted_is_refused() {
        assert_eq!(parse(&image(0, 0x0200_0000, 1)), Err(ImageError::BigEndian));
        for (text_offset, image_size) in [(u64::MAX, 0x1000), (0, u64::MAX), (1 << 48, 0x1000)] {
            assert!(matches!(parse(&image(text_offset, image_size, 0)), Err(ImageError::Size { .. })));
        }
    }

    #[test]
    fn other_files_and_files_cut_off_are_no_image() {
        let file = image(0, 0x0200_0000, 0xa);
        for length in 0..0x3c {
            assert_eq!(ImageHeader::parse(&file[..length]), None, "{length}");
        }
        assert_eq!(ImageHeader::parse(b"\x7fELF"), None);
    }
}
