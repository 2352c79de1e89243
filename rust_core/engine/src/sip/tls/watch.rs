//! Looks whether the files of the certificate have changed, on a thread of its own: a disk that hangs holds nobody up.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::files::Identity;
use crate::lock;
use crate::options::TlsFiles;

/// The thread ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    is_over: Arc<(Mutex<bool>, Condvar)>,
}

impl Watch {
    /// Starts the thread. `tell` is given what the files hold whenever they have changed and stayed so for a look: a
    /// certificate and its key are written one after the other.
    pub(crate) fn start(
        files: TlsFiles,
        tell: impl Fn(io::Result<Identity>) + Send + 'static,
    ) -> io::Result<Self> {
        let is_over = Arc::new((Mutex::new(false), Condvar::new()));
        let for_thread = is_over.clone();
        let mut read = files.stamps();
        let mut seen = read;
        std::thread::Builder::new().name("certificate".into()).spawn(move || {
            while !wait(&for_thread) {
                let found = files.stamps();
                if found == seen && found != read {
                    read = found;
                    tell(files.read());
                }
                seen = found;
            }
        })?;
        Ok(Self { is_over })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *lock(&self.is_over.0) = true;
        self.is_over.1.notify_one();
    }
}

/// Until the next look; whether it is over.
fn wait((is_over, told): &(Mutex<bool>, Condvar)) -> bool {
    let waited = told.wait_timeout_while(lock(is_over), LOOK_PAUSE, |is_over| !*is_over);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}

const LOOK_PAUSE: Duration = Duration::from_secs(1);
