//! Programs from ELF files.

use anyhow::{Context, Result, ensure};
use object::{Architecture, Object, ObjectSegment};

/// Gives every loadable segment to `store`, with its physical address, and answers the entry point.
///
/// # Errors
/// Where the file is no ELF file for `architecture`, or `store` fails.
pub(crate) fn load(
    image: &[u8],
    architecture: Architecture,
    mut store: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<u64> {
    let file = object::File::parse(image).context("this is no ELF file")?;
    ensure!(
        file.architecture() == architecture,
        "the file is for {:?}, and the board has {architecture:?}",
        file.architecture()
    );
    for segment in file.segments() {
        let bytes = segment.data().context("a segment lies outside the file")?;
        store(segment.address(), bytes)
            .with_context(|| format!("the segment at {:#x} does not fit", segment.address()))?;
    }
    Ok(file.entry())
}
