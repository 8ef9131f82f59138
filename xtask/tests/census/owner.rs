//! Another process that has a lab, to be killed in the middle of it.
//! Deliberately absent: what it does with the lab; each test's own program says that.

use std::process::{Child, Command, Stdio};

/// What makes a test's own program the owner of a lab that is to be killed.
pub const OWNER: &str = "LAB_TEST_OWNER";

/// Another process that has a lab. A test that fails early must not leave it.
pub struct Owner(Child);

impl Owner {
    /// Starts the test's own program as one.
    pub fn start() -> std::io::Result<Self> {
        let own = Command::new(std::env::current_exe()?)
            .env(OWNER, "1")
            .stdin(Stdio::null())
            .spawn()?;
        Ok(Self(own))
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL: no code of the owner runs after this.
    pub fn kill(&mut self) -> std::io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(|_| ())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Only fails if it is gone already.
        let _ = self.kill();
    }
}
