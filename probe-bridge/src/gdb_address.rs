//! Where gdb is served.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use rustix::fs::Mode;
use rustix::process::umask;
use trapline_kvm::gdb_server::{Client, Clients};

/// The argument of `--gdb`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum GdbAddress {
    /// `HOST:PORT`.
    Tcp(String),
    /// `unix:PATH`.
    Unix(PathBuf),
    /// `none`.
    None,
}

impl FromStr for GdbAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::None);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err("there is no path behind 'unix:'".to_owned()),
                path => Ok(Self::Unix(path.into())),
            };
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(text.to_owned()))
            }
            _ => Err("write HOST:PORT, unix:PATH or none, as in 127.0.0.1:1234".to_owned()),
        }
    }
}

/// A bound address that waits for clients.
#[derive(Debug)]
pub(crate) enum Listener {
    /// On a TCP address.
    Tcp(TcpListener, SocketAddr),
    /// On a Unix socket, which is removed when the listener is dropped.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Binds the address; `None` where none is to be served.
    ///
    /// # Errors
    /// Where it cannot be bound, or other machines could reach it and `allow_remote` is not set.
    pub(crate) fn bind(address: &GdbAddress, allow_remote: bool) -> Result<Option<Self>> {
        match address {
            GdbAddress::None => Ok(None),
            GdbAddress::Tcp(text) => Self::bind_tcp(text, allow_remote).map(Some),
            GdbAddress::Unix(path) => Self::bind_unix(path).map(Some),
        }
    }

    fn bind_tcp(text: &str, allow_remote: bool) -> Result<Self> {
        let addresses: Vec<_> = text
            .to_socket_addrs()
            .with_context(|| format!("--gdb {text}: the host name cannot be resolved"))?
            .collect();
        if let Some(remote) = addresses.iter().find(|address| !address.ip().is_loopback())
            && !allow_remote
        {
            bail!(
                "--gdb {text}: {} can be reached from other machines, and whoever connects controls the guest; \
                 use 127.0.0.1 or unix:PATH, or add --allow-remote if that is meant",
                remote.ip()
            );
        }
        let listener = TcpListener::bind(addresses.as_slice()).with_context(|| {
            format!("--gdb {text} cannot be bound; choose another port, or port 0 for any free one")
        })?;
        let address = listener.local_addr()?;
        Ok(Self::Tcp(listener, address))
    }

    fn bind_unix(path: &Path) -> Result<Self> {
        // Its owner's alone from the first moment on.
        let before = umask(Mode::RWXG | Mode::RWXO);
        let bound = UnixListener::bind(path);
        umask(before);
        let listener = bound.with_context(|| {
            format!("--gdb unix:{0} cannot be bound; if no other program uses it, remove {0}", path.display())
        })?;
        let owner_only = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(path, owner_only)
            .with_context(|| format!("the mode of {} cannot be set", path.display()))?;
        Ok(Self::Unix(listener, path.to_owned()))
    }
}

impl Clients for Listener {
    fn accept(&self) -> io::Result<Client> {
        Ok(match self {
            Self::Tcp(listener, _) => Client::Tcp(listener.accept()?.0),
            Self::Unix(listener, _) => Client::Unix(listener.accept()?.0),
        })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener, _) => listener.as_fd(),
            Self::Unix(listener, _) => listener.as_fd(),
        }
    }
}

/// As gdb's `target remote` takes it.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(_, address) => write!(f, "{address}"),
            Self::Unix(_, path) => write!(f, "{}", path.display()),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // Nobody is left to tell if it is gone already.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_host_and_port_a_socket_or_none() {
        assert_eq!("none".parse(), Ok(GdbAddress::None));
        assert_eq!("[::1]:1234".parse(), Ok(GdbAddress::Tcp("[::1]:1234".to_owned())));
        assert_eq!("unix:/run/t".parse(), Ok(GdbAddress::Unix("/run/t".into())));
        for wrong in ["", ":1234", "1234", "localhost", "localhost:", "localhost:70000", "unix:"] {
            assert!(wrong.parse::<GdbAddress>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_that_others_can_reach_needs_a_word() {
        let error = Listener::bind(&GdbAddress::Tcp("0.0.0.0:0".to_owned()), false).unwrap_err();
        assert!(error.to_string().contains("--allow-remote"), "{error}");
        assert!(Listener::bind(&GdbAddress::Tcp("0.0.0.0:0".to_owned()), true).is_ok());
        assert!(Listener::bind(&GdbAddress::Tcp("127.0.0.1:0".to_owned()), false).is_ok());
    }

    #[test]
    fn a_unix_socket_is_its_owners_alone_and_goes_away() {
        let path = std::env::temp_dir().join(format!("trapline-test-{}", std::process::id()));
        let listener = Listener::bind(&GdbAddress::Unix(path.clone()), false).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let second = Listener::bind(&GdbAddress::Unix(path.clone()), false).unwrap_err();
        assert!(second.to_string().contains("cannot be bound"), "{second}");
        drop(listener);
        assert!(!path.exists());
    }
}
