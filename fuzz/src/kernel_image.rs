//! Whatever a kernel image says of itself, reading it ends without a panic, and what is read can be written.

use trapline_kvm::kernel_image::unpack;
use trapline_probe::linux::Kernel;
use trapline_probe::linux::btf::Btf;
use trapline_probe::linux::image::KernelImage;

/// Where the magic number of an image is, and how long its header.
const MAGIC: usize = 56;
const HEADER: usize = 64;
/// The most that a file may unpack to, in bytes.
const LIMIT: u64 = 0x1_0000;

/// Checks one input: what is behind the header of an image, and the whole file as a distribution may have packed it.
///
/// # Panics
/// Where what is read is not as it says, or more is unpacked than is allowed.
pub fn check(data: &[u8]) {
    match unpack(data, LIMIT) {
        Ok(unpacked) => assert!(unpacked.len() as u64 <= LIMIT),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let mut bytes = vec![0; HEADER];
    bytes[MAGIC..MAGIC + 4].copy_from_slice(b"ARM\x64");
    bytes.extend(data);
    if let (Ok(kernel), Ok(image)) = (Kernel::read(&bytes), KernelImage::new(&bytes)) {
        assert!(
            kernel.symbols().symbols().iter().all(|symbol| kernel.symbols().named(&symbol.name).count() > 0)
        );
        let elf = kernel.to_elf(&image, 0).map(|elf| elf.starts_with(b"\x7fELF"));
        assert!(matches!(elf, Ok(true) | Err(_)), "an ELF file without its magic number");
    }
    // Types alone go deeper than an image does that has to have symbols first.
    let Ok(types) = Btf::parse(data) else { return };
    for id in types.ids() {
        let _ = (types.get(id), types.resolve(id), types.size_of(id));
        let name = types.get(id).map(|found| found.name.to_owned()).unwrap_or_default();
        let _ = types.field(&name, "next.prev");
    }
}
