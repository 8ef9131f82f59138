//! Where built programs are kept, outside the checkout, and how they get there.
//! Deliberately absent: eviction; a version's folder is a few hundred megabytes and may be removed
//! by hand at any time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::LabError;
use super::error::file;
use super::parts::{BBOLT, KINE, KWOK, KWOK_STAGES, PARTS, Part, SUPPORT_BUNDLE, Upstream};
use super::toolchain;

/// The folder of built programs: `$DEFIB_CACHE`, else `$XDG_CACHE_HOME/defib`, else
/// `~/.cache/defib`; the lab's share is `lab` below it.
pub fn root() -> Result<PathBuf, LabError> {
    let base = from_environment("DEFIB_CACHE")
        .or_else(|| from_environment("XDG_CACHE_HOME").map(|path| path.join("defib")))
        .or_else(|| from_environment("HOME").map(|path| path.join(".cache/defib")))
        .ok_or(LabError::NoHome {
            what: "built programs",
            variable: "DEFIB_CACHE",
        })?;
    Ok(base.join("lab"))
}

/// An absolute path from a variable; the XDG rules say that a relative one is to be ignored.
pub(crate) fn from_environment(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

/// The programs of one build, each at its own path.
#[derive(Debug, Clone)]
pub struct Programs {
    cache: PathBuf,
}

impl Programs {
    /// Builds what is missing and returns where everything is. `tell` gets a line per program.
    pub fn ready(tell: &mut dyn FnMut(&str)) -> Result<Self, LabError> {
        Self::ready_in(root()?, tell)
    }

    /// The same with a cache of the caller's choice.
    pub fn ready_in(cache: PathBuf, tell: &mut dyn FnMut(&str)) -> Result<Self, LabError> {
        let programs = Self { cache };
        fs::create_dir_all(&programs.cache).map_err(file("create", &programs.cache))?;
        for part in PARTS {
            programs.ensure(part, tell)?;
        }
        if !programs.kwok_stages()?.is_file() {
            let _lock = programs.lock(&KWOK)?;
            toolchain::join_module_files(&KWOK, KWOK_STAGES, &programs.kwok_stages()?)?;
        }
        Ok(programs)
    }

    /// Troubleshoot's collector, built if it is missing. It is no part of a control plane.
    pub fn support_bundle(tell: &mut dyn FnMut(&str)) -> Result<PathBuf, LabError> {
        Self::one(&SUPPORT_BUNDLE, tell)
    }

    /// kine, built if it is missing.
    pub fn kine(tell: &mut dyn FnMut(&str)) -> Result<PathBuf, LabError> {
        Self::one(&KINE, tell)
    }

    /// Any one program, built if it is missing.
    pub fn one(part: &Part, tell: &mut dyn FnMut(&str)) -> Result<PathBuf, LabError> {
        let programs = Self { cache: root()? };
        fs::create_dir_all(&programs.cache).map_err(file("create", &programs.cache))?;
        programs.ensure(part, tell)?;
        programs.path(part)
    }

    /// bbolt's own program, built if it is missing.
    pub fn bbolt(tell: &mut dyn FnMut(&str)) -> Result<PathBuf, LabError> {
        Self::one(&BBOLT, tell)
    }

    /// True if nothing that a control plane needs would have to be built.
    pub fn complete() -> Result<bool, LabError> {
        let programs = Self { cache: root()? };
        for part in PARTS {
            if !programs.path(part)?.is_file() {
                return Ok(false);
            }
        }
        Ok(programs.kwok_stages()?.is_file())
    }

    /// The path of a program.
    pub fn path(&self, part: &Part) -> Result<PathBuf, LabError> {
        Ok(part.upstream.folder_in(&self.cache)?.join(part.name))
    }

    /// KWOK's stages: how its nodes and pods behave, taken from the module that was built.
    pub fn kwok_stages(&self) -> Result<PathBuf, LabError> {
        Ok(KWOK.folder_in(&self.cache)?.join("stages.yaml"))
    }

    /// A folder of links to all programs, so that one directory can go on a PATH.
    pub fn link_into(&self, folder: &Path) -> Result<(), LabError> {
        fs::create_dir_all(folder).map_err(file("create", folder))?;
        for part in PARTS {
            let link = folder.join(part.name);
            #[cfg(unix)]
            std::os::unix::fs::symlink(self.path(part)?, &link).map_err(file("link", &link))?;
        }
        Ok(())
    }

    fn ensure(&self, part: &Part, tell: &mut dyn FnMut(&str)) -> Result<(), LabError> {
        let path = self.path(part)?;
        if path.is_file() {
            return Ok(());
        }
        let _lock = self.lock(part.upstream)?;
        // Another build may have finished it while this one waited.
        if path.is_file() {
            return Ok(());
        }
        let folder = part.upstream.folder_in(&self.cache)?;
        fs::create_dir_all(&folder).map_err(file("create", &folder))?;
        toolchain::build(part, &path, tell)
    }

    /// One build per upstream at a time. The system drops the lock with the process, so a killed
    /// build blocks nobody.
    fn lock(&self, upstream: &Upstream) -> Result<File, LabError> {
        let path = self.cache.join(format!("{}.lock", upstream.folder));
        let lock = File::create(&path).map_err(file("create", &path))?;
        lock.lock().map_err(file("lock", &path))?;
        Ok(lock)
    }
}

/// A folder of links to what the stand-in for k3s starts, which goes with the value: the programs of a control plane,
/// and kine.
pub fn stand_in_parts(tell: &mut dyn FnMut(&str)) -> Result<tempfile::TempDir, LabError> {
    let folder = tempfile::tempdir().map_err(file("create a folder in", &std::env::temp_dir()))?;
    Programs::ready(tell)?.link_into(folder.path())?;
    let (kine, link) = (Programs::kine(tell)?, folder.path().join("kine"));
    #[cfg(unix)]
    std::os::unix::fs::symlink(kine, &link).map_err(file("link", &link))?;
    Ok(folder)
}
