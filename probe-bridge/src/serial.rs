//! Where a guest's serial port leads: a file, or this process's standard input and output.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result};

/// The argument of `--serial`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Serial {
    /// Standard input and output.
    Stdio,
    /// A file for the output; there is no input.
    File(PathBuf),
}

impl FromStr for Serial {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("write stdio or the name of a file".to_owned()),
            "stdio" => Ok(Self::Stdio),
            path => Ok(Self::File(path.into())),
        }
    }
}

impl Serial {
    /// Opens it for writing, without a buffer: a guest's last words must not be lost.
    ///
    /// # Errors
    /// Where the file cannot be created.
    pub(crate) fn open(&self) -> Result<Box<dyn Write + Send>> {
        Ok(match self {
            Self::Stdio => Box::new(Console),
            Self::File(path) => Box::new(File::create(path).with_context(|| {
                format!("--serial {}: the file cannot be created; choose another place", path.display())
            })?),
        })
    }
}

/// Standard output, flushed at every write.
struct Console;

impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = io::stdout().lock();
        let count = out.write(bytes)?;
        out.flush()?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().lock().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_created_is_named() {
        let error = Serial::File("/nowhere/serial.log".into()).open().err().unwrap();
        assert!(error.to_string().contains("/nowhere/serial.log"), "{error}");
    }
}
