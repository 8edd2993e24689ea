//! Files that somebody names, of which nobody knows how long they are.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// The longest program that is read, with all its debug information, in bytes. A distribution's kernel has less than
/// half of that.
pub const LARGEST_PROGRAM: u64 = 2 << 30;

/// All of a file, which must not be longer than `longest` bytes.
///
/// # Errors
/// Where it cannot be read, or is longer, as a device without an end is.
pub fn read(path: &Path, longest: u64) -> Result<Vec<u8>> {
    let all = || -> std::io::Result<Vec<u8>> {
        let file = File::open(path)?;
        let mut bytes = Vec::new();
        // What the file says of its own length spares copies, and is not relied upon.
        let length = file.metadata()?.len().min(longest);
        bytes.try_reserve(usize::try_from(length).unwrap_or(usize::MAX))?;
        file.take(longest.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = all().with_context(|| format!("{} cannot be read", path.display()))?;
    ensure!(
        bytes.len() as u64 <= longest,
        "{} is longer than {} MiB, the most that is read of such a file",
        path.display(),
        longest >> 20
    );
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_refused() {
        let error = read(Path::new("/dev/zero"), 1 << 20).unwrap_err().to_string();
        assert_eq!(error, "/dev/zero is longer than 1 MiB, the most that is read of such a file");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = format!("{:#}", read(Path::new("/no/such/file"), 1).unwrap_err());
        assert!(error.starts_with("/no/such/file cannot be read: "), "{error}");
    }
}
