//! Kernel files as distributions ship them, unpacked to what a boot loader or a symbol reader works on.
//!
//! An arm64 Linux `vmlinuz` is one of three: the `Image` itself, a packed `Image`, or
//! an EFI zboot program, a small decompressor that carries one of those. [`unpack`] tells them apart by
//! their first bytes and answers the `Image`. Everything else, ELF files and flat firmware among it, comes
//! back as it is: what it is good for, its user decides.
//!
//! The file is hostile input: offsets are checked, and what it unpacks to is bounded by the caller.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};
use std::ops::Range;

/// The first bytes of each packing.
const PACKINGS: [(&[u8], Packing); 6] = [
    // A member of RFC 1952 with the one method that there is.
    (&[0x1f, 0x8b, 8], Packing::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Packing::Zstd),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Packing::Xz),
    // The properties that everybody uses, and a dictionary of some MiB.
    (&[0x5d, 0, 0], Packing::Lzma),
    (&[0x02, 0x21, 0x4c, 0x18], Packing::Lz4),
    (&[0x04, 0x22, 0x4d, 0x18], Packing::Lz4),
];
/// The first bytes of other packings that kernels have; they are named when refused.
const OTHER_PACKINGS: [(&[u8], &str); 2] = [(b"BZh", "bzip2"), (&[0x89, b'L', b'Z', b'O'], "lzo")];
/// How much memory an unpacker may take for itself, in KiB: kernels are packed with dictionaries of up to 128 MiB.
const UNPACKER_MEMORY: u32 = 160 << 10;

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
    /// The format of the program xz.
    Xz,
    /// The older one of the program lzma.
    Lzma,
    /// LZ4 frames, the older ones without checksums among them.
    Lz4,
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Lzma => "lzma",
            Self::Lz4 => "lz4",
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
    if let Some(&(_, packing)) = PACKINGS.iter().find(|(magic, _)| payload.starts_with(magic)) {
        return inflate(packing, payload, limit).map(Cow::Owned);
    }
    if let Some((_, method)) = OTHER_PACKINGS.iter().find(|(magic, _)| payload.starts_with(magic)) {
        return Err(UnpackError::UnknownPacking { method: (*method).to_owned() });
    }
    if u64::try_from(payload.len()).is_ok_and(|length| length > limit) {
        return Err(UnpackError::TooLarge { limit });
    }
    Ok(Cow::Borrowed(payload))
}

/// Of several members, streams or frames only the first is the kernel; what follows it is padding.
fn inflate(packing: Packing, packed: &[u8], limit: u64) -> Result<Vec<u8>, UnpackError> {
    let broken = |reason: String| UnpackError::Broken { packing, reason };
    let decoder: Box<dyn Read + '_> = match packing {
        Packing::Gzip => Box::new(flate2::read::GzDecoder::new(packed)),
        Packing::Zstd => Box::new(
            ruzstd::decoding::StreamingDecoder::new(packed).map_err(|error| broken(error.to_string()))?,
        ),
        Packing::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(packed, false, UNPACKER_MEMORY)),
        Packing::Lzma => Box::new(
            lzma_rust2::LzmaReader::new_mem_limit(packed, UNPACKER_MEMORY, None)
                .map_err(|error| broken(error.to_string()))?,
        ),
        Packing::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(packed)),
    };
    let mut unpacked = Vec::new();
    // One byte more than is wanted tells a file of exactly `limit` bytes from a larger one.
    let read = decoder.take(limit.saturating_add(1)).read_to_end(&mut unpacked);
    read.map_err(|error: io::Error| broken(error.to_string()))?;
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
            "gzip" | "zstd" | "zstd22" | "xz" | "lzma" | "lz4" => Ok(payload),
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

    /// What [`listing`] is as the usual programs pack it: `xz --check=crc32 --arm64`, `lzma -9`, `lz4 -9` and `lz4 -l -9`.
    const XZ: &[u8] =
        b"\xfd\x37\x7a\x58\x5a\x00\x00\x01\x69\x22\xde\x36\x02\x01\x0a\x00\x21\x01\x16\x00\x7d\xe7\
        \x3f\x25\xe0\x01\xad\x00\x53\x5d\x00\x35\x99\x4a\xab\xa2\xe2\xaf\x1f\x2b\x0d\xcb\xdf\x70\
        \x5d\x9f\xec\x43\x0a\x4c\x31\xb9\x5c\x08\x58\xad\xc3\x8c\x6a\x50\xe1\x23\x91\x9b\x7f\xc1\
        \xe4\x67\xf1\x3a\x77\xbf\x92\xda\x3d\x26\x65\xce\x65\x3e\x5a\x28\x0e\xb8\x1f\xdf\x25\xf7\
        \x58\x68\x93\x25\x4c\xe7\xe6\x39\x2f\xbb\xc5\x3b\x0e\xcb\xbc\x07\x13\x60\x46\x84\x50\x09\
        \xd4\x1c\xb8\x00\x00\x00\x04\xca\x6e\x6d\x00\x01\x6b\xae\x03\x00\x00\x00\x5d\xa5\xc4\x7c\
        \x3e\x30\x0d\x8b\x02\x00\x00\x00\x00\x01\x59\x5a";
    const LZMA: &[u8] =
        b"\x5d\x00\x00\x00\x04\xff\xff\xff\xff\xff\xff\xff\xff\x00\x35\x99\x4a\xab\xa2\xe2\xaf\x1f\
        \x2b\x0d\xcb\xdf\x70\x5d\x9f\xec\x43\x0a\x4c\x31\xb9\x5c\x08\x58\xad\xc3\x8c\x6a\x50\xe1\
        \x23\x91\x9b\x7f\xc1\xe4\x67\xf1\x3a\x77\xbf\x92\xda\x3d\x26\x65\xce\x65\x3e\x5a\x28\x0e\
        \xb8\x1f\xdf\x25\xf7\x58\x68\x93\x25\x4c\xe7\xe6\x39\x2f\xbb\xc5\x3b\x0e\xcb\xbc\x07\x13\
        \x60\x46\x84\x50\x09\xde\x06\x44\x30\xff\xfc\xb0\x20\x00";
    const LZ4: &[u8] =
        b"\x04\x22\x4d\x18\x64\x40\xa7\xa7\x00\x00\x00\xa3\x6b\x65\x72\x6e\x65\x6c\x20\x30\x2c\x20\
        \x0a\x00\x15\x31\x0a\x00\x15\x32\x0a\x00\x15\x33\x0a\x00\x15\x34\x0a\x00\x15\x35\x0a\x00\
        \x15\x36\x0a\x00\x15\x37\x0a\x00\x15\x38\x0a\x00\x16\x39\x5a\x00\x07\x65\x00\x06\x66\x00\
        \x16\x31\x67\x00\x16\x31\x68\x00\x16\x31\x69\x00\x16\x31\x6a\x00\x16\x31\x6b\x00\x16\x31\
        \x6c\x00\x16\x31\x6d\x00\x16\x31\x6e\x00\x16\x32\x6e\x00\x17\x32\xd4\x00\x06\x6e\x00\x16\
        \x32\x6e\x00\x16\x32\x6e\x00\x16\x32\x6e\x00\x16\x32\x6e\x00\x16\x32\x6e\x00\x16\x32\x6e\
        \x00\x16\x32\x6e\x00\x16\x33\x6e\x00\x16\x33\x6e\x00\x17\x33\x43\x01\x06\x6e\x00\x16\x33\
        \x6e\x00\x16\x33\x6e\x00\x16\x33\x6e\x00\x16\x33\x6e\x00\x15\x33\x6e\x00\x50\x20\x33\x39\
        \x2c\x20\x00\x00\x00\x00\x8f\xab\x16\x53";
    const LZ4_LEGACY: &[u8] =
        b"\x02\x21\x4c\x18\xa7\x00\x00\x00\xa3\x6b\x65\x72\x6e\x65\x6c\x20\x30\x2c\x20\x0a\x00\x15\
        \x31\x0a\x00\x15\x32\x0a\x00\x15\x33\x0a\x00\x15\x34\x0a\x00\x15\x35\x0a\x00\x15\x36\x0a\
        \x00\x15\x37\x0a\x00\x15\x38\x0a\x00\x16\x39\x5a\x00\x07\x65\x00\x06\x66\x00\x16\x31\x67\
        \x00\x16\x31\x68\x00\x16\x31\x69\x00\x16\x31\x6a\x00\x16\x31\x6b\x00\x16\x31\x6c\x00\x16\
        \x31\x6d\x00\x16\x31\x6e\x00\x16\x32\x6e\x00\x17\x32\xd4\x00\x06\x6e\x00\x16\x32\x6e\x00\
        \x16\x32\x6e\x00\x16\x32\x6e\x00\x16\x32\x6e\x00\x16\x32\x6e\x00\x16\x32\x6e\x00\x16\x32\
        \x6e\x00\x16\x33\x6e\x00\x16\x33\x6e\x00\x17\x33\x43\x01\x06\x6e\x00\x16\x33\x6e\x00\x16\
        \x33\x6e\x00\x16\x33\x6e\x00\x16\x33\x6e\x00\x15\x33\x6e\x00\x50\x20\x33\x39\x2c\x20";

    fn listing() -> Vec<u8> {
        (0..40).flat_map(|number| format!("kernel {number}, ").into_bytes()).collect()
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
    fn what_other_programs_have_packed_is_unpacked() {
        for (method, packed) in [("xz", XZ), ("lzma", LZMA), ("lz4", LZ4), ("lz4", LZ4_LEGACY)] {
            assert_eq!(unpack(packed, LIMIT).unwrap(), listing(), "{method}");
            assert_eq!(unpack(&zboot(method, packed), LIMIT).unwrap(), listing(), "{method}");
            let length = listing().len() as u64;
            assert!(unpack(packed, length).is_ok(), "{method}");
            assert!(matches!(unpack(packed, length - 1), Err(UnpackError::TooLarge { .. })), "{method}");
            let half = unpack(&packed[..packed.len() / 2], LIMIT);
            assert!(matches!(half, Err(UnpackError::Broken { .. })), "{method}: {half:?}");
        }
    }

    #[test]
    fn a_dictionary_beyond_reason_is_refused() {
        let mut packed = LZMA.to_vec();
        packed[1..5].fill(0xff);
        // These properties are no others' either.
        packed[1..3].fill(0);
        assert!(matches!(unpack(&packed, LIMIT), Err(UnpackError::Broken { packing: Packing::Lzma, .. })));
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
        assert_eq!(named(b"BZh91AY and so on"), "bzip2");
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
