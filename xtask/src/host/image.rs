//! Whether a file is what it is taken for, before a machine is started for it.

use std::{fs::File, io::Read as _, path::Path};

use anyhow::{Context as _, Result, bail};

/// `ARM\x64` at offset 0x38 of an arm64 Image (Documentation/arch/arm64/booting.rst).
const IMAGE_MAGIC: (usize, &[u8]) = (0x38, b"ARM\x64");
/// The header of a gzip file (RFC 1952).
const GZIP_MAGIC: (usize, &[u8]) = (0, &[0x1f, 0x8b]);
/// `MZ` and, at offset 4, `zimg`: an EFI zboot image.
const ZBOOT_MAGIC: (usize, &[u8]) = (4, b"zimg");
/// The image size in an arm64 Image.
const IMAGE_SIZE: std::ops::Range<usize> = 0x10..0x18;

/// `e_machine` of AArch64.
const EM_AARCH64: u16 = 183;
/// `p_type` of the program header that names a dynamic loader.
const PT_INTERP: u32 = 3;

/// Refuses a file that the emulator could not boot as an arm64 kernel. Answers the memory it takes when
/// loaded, as far as its header says.
pub(crate) fn check_kernel(path: &Path) -> Result<u64> {
    let (header, length) = beginning(path)?;
    let has = |(at, magic): (usize, &[u8])| header.get(at..at + magic.len()) == Some(magic);
    if has(IMAGE_MAGIC) {
        let size = header.get(IMAGE_SIZE).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
        return Ok(size.unwrap_or(0).max(length));
    }
    if has(GZIP_MAGIC) || has(ZBOOT_MAGIC) {
        // Compressed: what it takes is only known afterwards; kernels shrink to about a third.
        return Ok(length * 4);
    }
    bail!(
        "{} is no arm64 kernel (neither an Image with its magic at 0x38, nor gzip, nor EFI zboot)",
        path.display()
    )
}

/// Refuses a file that is no static aarch64 program.
pub(crate) fn check_program(path: &Path) -> Result<()> {
    let (header, _) = beginning(path)?;
    let name = path.display();
    if header.get(..4) != Some(b"\x7fELF") {
        if header.get(..2) == Some(b"#!") {
            return Ok(());
        }
        bail!("{name} is no ELF program");
    }
    let half = |at: usize| {
        header.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_le_bytes)
    };
    if header.get(4..6) != Some(&[2, 1]) || half(18) != EM_AARCH64 {
        bail!("{name} is no aarch64 program: build it for aarch64-unknown-linux-musl");
    }
    let (size, count) = (usize::from(half(54)), usize::from(half(56)));
    let interpreted = (0..count).any(|index| {
        let at = 64 + index * size;
        header.get(at..at + 4) == Some(&PT_INTERP.to_le_bytes())
    });
    if interpreted {
        bail!(
            "{name} needs a dynamic loader: build it for aarch64-unknown-linux-musl, which links statically"
        );
    }
    Ok(())
}

/// The first page of a file, and its length.
fn beginning(path: &Path) -> Result<(Vec<u8>, u64)> {
    let cannot = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(cannot)?;
    let metadata = file.metadata().with_context(cannot)?;
    if !metadata.is_file() {
        bail!("{} is no regular file", path.display());
    }
    let mut header = Vec::new();
    file.take(4096).read_to_end(&mut header).with_context(cannot)?;
    Ok((header, metadata.len()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("file");
        file.write_all(bytes).expect("written");
        file
    }

    fn kernel(at: usize, magic: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 0x100];
        bytes[at..at + magic.len()].copy_from_slice(magic);
        bytes
    }

    #[test]
    fn every_form_of_an_arm64_kernel_is_known() {
        for (at, magic) in [IMAGE_MAGIC, GZIP_MAGIC, ZBOOT_MAGIC] {
            check_kernel(file(&kernel(at, magic)).path()).expect("a kernel");
        }
    }

    #[test]
    fn an_image_says_how_much_memory_it_takes() {
        let mut bytes = kernel(IMAGE_MAGIC.0, IMAGE_MAGIC.1);
        bytes[IMAGE_SIZE].copy_from_slice(&0x0280_0000_u64.to_le_bytes());
        assert_eq!(check_kernel(file(&bytes).path()).expect("a kernel"), 0x0280_0000);
    }

    #[test]
    fn what_is_no_kernel_is_refused_by_name() {
        for bytes in [&b""[..], b"\x7fELF", &[0; 0x100]] {
            let file = file(bytes);
            let error = check_kernel(file.path()).expect_err("no kernel").to_string();
            assert!(error.contains(&file.path().display().to_string()), "{error}");
        }
    }

    #[test]
    fn a_program_of_another_machine_is_refused() {
        let this = std::env::current_exe().expect("path");
        let refused = check_program(&this).is_err();
        assert_eq!(refused, cfg!(not(target_env = "musl")) || cfg!(not(target_arch = "aarch64")));
    }
}
