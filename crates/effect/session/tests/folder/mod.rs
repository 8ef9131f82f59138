//! A folder of files, diagnosed as somebody would who was given it.
//! Deliberately absent: what is expected of the report; each test says it.

use defib_model::report::Report;
use defib_session::{Options, Source};

pub fn diagnose<T: AsRef<[u8]>>(files: &[(&str, T)]) -> Report {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    defib_session::diagnose(
        &[Source::Path(folder.path().to_owned())],
        &Options::default(),
        &mut std::io::empty(),
        &mut |_| {},
    )
    .unwrap()
}
