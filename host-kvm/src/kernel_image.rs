//! Kernel files as distributions ship them, unpacked to what a boot loader or a symbol reader works on.
//!
//! An arm64 Linux `vmlinuz` is one of three: the `Image` itself, an `Image` packed by gzip or Zstandard, or
//! an EFI zboot program, a small decompressor that carries one of those. [`unpack`] tells them apart by
//! their first bytes and answers the `Image`. Everything else, ELF files and flat firmware among it, comes
//! back as it is: what it is good for, its user decides.
//!
//! The file is hostile input: offsets are checked, and what it unpacks to is bounded by the caller.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};
use std::ops::Range;

/// The first bytes of a gzip member, RFC 1952, with the one method that there is.
const GZIP: &[u8] = &[0x1f, 0x8b, 8];
/// The first bytes of a Zstandard frame, RFC 8878.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// The first bytes of other packings that kernels have; they are named when refused.
const OTHER_PACKINGS: [(&[u8], &str); 6] = [
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz"),
    (&[0x5d, 0, 0], "lzma"),
    (b"BZh", "bzip2"),
    (&[0x02, 0x21, 0x4c, 0x18], "lz4"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4"),
    (&[0x89, b'L', b'Z', b'O'], "lzo"),
];

/// Why a kernel file cannot be unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// It is packed in a way that is not known here.
    #[error("the kernel is packed with {method}, which is not unpacked here; unpack it first")]
    UnknownPacking {
        /// The method, as the file calls it.
        method: String,
    },

    /// The packed data is broken.
    #[error("the kernel's {packing} data cannot be unpacked: {reason}; fetch the file anew")]
    Broken {
        /// How it is packed.
        packing: Packing,
        /// What is wrong with it.
        reason: String,
    },

    /// What comes out is larger than the caller wants it.
    #[error("the kernel unpacks to more than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: u64,
    },

    /// An EFI zboot header points outside its file.
    #[error(
        "the zboot header says that {size:#x} bytes at {offset:#x} are the kernel, and the file has \
         {length:#x} bytes; it is cut short"
    )]
    CutShort {
        /// Where the packed kernel is said to begin.
        offset: u32,
        /// How long it is said to be.
        size: u32,
        /// The length of the file.
        length: usize,
    },
}

/// How a kernel is packed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Packing {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// Unpacks a kernel file to at most `limit` bytes; one that is not packed is answered as it is.
///
/// # Errors
/// Where it is packed in a way that is not known, broken, or larger than `limit` once unpacked.
pub fn unpack(file: &[u8], limit: u64) -> Result<Cow<'_, [u8]>, UnpackError> {
    let payload = match ZbootHeader::parse(file) {
        Some(header) => header.payload(file)?,
        None => file,
    };
    if payload.starts_with(GZIP) {
        // Only the first member is the kernel; what follows it is padding.
        return inflate(Packing::Gzip, flate2::read::GzDecoder::new(payload), limit).map(Cow::Owned);
    }
    if payload.starts_with(ZSTD) {
        let decoder = ruzstd::decoding::StreamingDecoder::new(payload)
            .map_err(|error| UnpackError::Broken { packing: Packing::Zstd, reason: error.to_string() })?;
        return inflate(Packing::Zstd, decoder, limit).map(Cow::Owned);
    }
    if let Some((_, method)) = OTHER_PACKINGS.iter().find(|(magic, _)| payload.starts_with(magic)) {
        return Err(UnpackError::UnknownPacking { method: (*method).to_owned() });
    }
    if u64::try_from(payload.len()).is_ok_and(|length| length > limit) {
        return Err(UnpackError::TooLarge { limit });
    }
    Ok(Cow::Borrowed(payload))
}

fn inflate(packing: Packing, decoder: impl Read, limit: u64) -> Result<Vec<u8>, UnpackError> {
    let mut unpacked = Vec::new();
    let broken = |error: io::Error| UnpackError::Broken { packing, reason: error.to_string() };
    // One byte more than is wanted tells a file of exactly `limit` bytes from a larger one.
    decoder.take(limit.saturating_add(1)).read_to_end(&mut unpacked).map_err(broken)?;
    if u64::try_from(unpacked.len()).is_ok_and(|length| length > limit) {
        return Err(UnpackError::TooLarge { limit });
    }
    Ok(unpacked)
}

/// What the header of an EFI zboot program says of the kernel in it (Linux,
/// `drivers/firmware/efi/libstub/zboot-header.S`).
#[derive(Clone, PartialEq, Eq, Debug)]
struct ZbootHeader {
    offset: u32,
    size: u32,
    method: String,
}

impl ZbootHeader {
    const MAGIC: &'static [u8] = b"MZ\0\0zimg";
    const OFFSET: usize = 8;
    const SIZE: usize = 12;
    const METHOD: Range<usize> = 24..56;

    fn parse(file: &[u8]) -> Option<Self> {
        if !file.starts_with(Self::MAGIC) {
            return None;
        }
        let word = |at: usize| file.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        let method = file.get(Self::METHOD)?.split(|&byte| byte == 0).next()?;
        let method = String::from_utf8_lossy(method).into_owned();
        Some(Self { offset: word(Self::OFFSET)?, size: word(Self::SIZE)?, method })
    }

    /// The packed kernel.
    fn payload<'a>(&self, file: &'a [u8]) -> Result<&'a [u8], UnpackError> {
        let cut = UnpackError::CutShort { offset: self.offset, size: self.size, length: file.len() };
        let range = usize::try_from(self.offset).ok().zip(usize::try_from(self.size).ok());
        let range = range.and_then(|(offset, size)| Some(offset..offset.checked_add(size)?));
        let payload = range.and_then(|range| file.get(range)).ok_or(cut)?;
        match self.method.as_str() {
            "gzip" | "zstd" | "zstd22" => Ok(payload),
            method => Err(UnpackError::UnknownPacking { method: method.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Larger than every image of these tests.
    const LIMIT: u64 = 1 << 20;

    fn image() -> Vec<u8> {
        (0..40_000_u32).flat_map(u32::to_le_bytes).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn zboot(method: &str, payload: &[u8]) -> Vec<u8> {
        let mut file = b"MZ\0\0zimg".to_vec();
        file.extend(64_u32.to_le_bytes());
        file.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
        file.resize(24, 0);
        file.extend(method.as_bytes());
        file.resize(64, 0);
        file.extend(payload);
        file.extend(b"the decompressor");
        file
    }

    #[test]
    fn every_packing_gives_the_same_image() {
        let image = image();
        let padded = [gzip(&image), vec![0; 7]].concat();
        for file in [
            image.clone(),
            gzip(&image),
            padded,
            zstd(&image),
            zboot("gzip", &gzip(&image)),
            zboot("zstd", &zstd(&image)),
            zboot("zstd22", &zstd(&image)),
        ] {
            assert_eq!(unpack(&file, LIMIT).unwrap(), image);
        }
    }

    #[test]
    fn what_is_no_kernel_comes_back_as_it_is() {
        for file in [&b""[..], b"MZ", b"MZ\0\0zimg", b"\x7fELF and so on", &[0x1f, 0x8b]] {
            assert_eq!(unpack(file, LIMIT).unwrap(), file);
        }
    }

    #[test]
    fn a_file_that_unpacks_to_too_much_is_refused_and_one_that_just_fits_is_not() {
        let image = image();
        let length = image.len() as u64;
        for file in [image.clone(), gzip(&image), zstd(&image)] {
            assert!(unpack(&file, length).is_ok());
            let error = unpack(&file, length - 1).unwrap_err();
            assert!(matches!(error, UnpackError::TooLarge { limit } if limit == length - 1), "{error}");
        }
    }

    #[test]
    fn broken_data_says_how_it_was_packed() {
        let image = image();
        for (packed, packing) in [(gzip(&image), Packing::Gzip), (zstd(&image), Packing::Zstd)] {
            let half = &packed[..packed.len() / 2];
            let error = unpack(half, LIMIT).unwrap_err();
            assert!(matches!(error, UnpackError::Broken { packing: said, .. } if said == packing), "{error}");
        }
    }

    #[test]
    fn packings_that_are_not_known_are_named() {
        let named = |file: &[u8]| match unpack(file, LIMIT).unwrap_err() {
            UnpackError::UnknownPacking { method } => method,
            error => panic!("{error}"),
        };
        assert_eq!(named(&zboot("lzo", b"\x89LZO")), "lzo");
        assert_eq!(named(b"\xfd7zXZ\0 and so on"), "xz");
        assert_eq!(named(b"\x02\x21\x4c\x18 and so on"), "lz4");
    }

    #[test]
    fn a_zboot_file_that_is_cut_short_says_so() {
        let mut file = zboot("gzip", &gzip(&image()));
        file.truncate(100);
        assert!(matches!(unpack(&file, LIMIT), Err(UnpackError::CutShort { offset: 64, .. })));
        file[8..12].fill(0xff);
        file[12..16].fill(0xff);
        assert!(matches!(unpack(&file, LIMIT), Err(UnpackError::CutShort { offset: u32::MAX, .. })));
    }
}
