//! Archives of other makers, good and hostile: what is read, what is left out, and that nothing is
//! written or followed.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::io::Write;
use std::path::Path;

use defib_collect::{CollectError, Collection, Sink};
use defib_model::bundle::{Bundle, Entry};

#[derive(Default)]
struct Kept(Vec<(String, Vec<u8>)>);

impl Sink for Kept {
    fn entry(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), CollectError> {
        self.0.push((entry.id.clone(), bytes.to_vec()));
        Ok(())
    }

    fn open(&mut self, entry: &Entry) -> Result<(), CollectError> {
        self.0.push((entry.id.clone(), Vec::new()));
        Ok(())
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<(), CollectError> {
        self.0.last_mut().unwrap().1.extend_from_slice(bytes);
        Ok(())
    }

    fn close(&mut self, entry: &Entry) -> Result<(), CollectError> {
        assert_eq!(entry.size as usize, self.0.last().unwrap().1.len());
        Ok(())
    }
}

fn take(path: &Path) -> (Vec<(String, Vec<u8>)>, Bundle) {
    let mut kept = Kept::default();
    let bundle = {
        let mut collection = Collection::new("0", vec![&mut kept]);
        defib_collect::tree(&mut collection, path).unwrap();
        collection.finish().0
    };
    (kept.0, bundle)
}

fn header(name: &str, size: u64, kind: tar::EntryType) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    // Written past the builder, which refuses such names.
    let field = &mut header.as_old_mut().name;
    field[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(size);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

fn tarred(files: &[(&str, &[u8], tar::EntryType)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, body, kind) in files {
        builder
            .append(&header(name, body.len() as u64, *kind), *body)
            .unwrap();
    }
    builder.into_inner().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, body) in files {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(body).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn written(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn names(kept: &[(String, Vec<u8>)]) -> Vec<&str> {
    kept.iter().map(|(n, _)| n.as_str()).collect()
}

const FILE: tar::EntryType = tar::EntryType::Regular;

#[test]
fn every_kind_gives_the_same_files() {
    let files: [(&str, &[u8], _); 2] = [("x/a.log", b"one\n", FILE), ("x/b.log", b"two\n", FILE)];
    let plain = tarred(&files);
    let zip = zipped(&[("x/a.log", b"one\n"), ("x/b.log", b"two\n")]);
    let zst = zstd::encode_all(plain.as_slice(), 1).unwrap();
    for bytes in [plain.clone(), gz(&plain), zst, zip] {
        let (_folder, path) = written(&bytes);
        let (kept, bundle) = take(&path);
        assert_eq!(names(&kept), ["x/a.log", "x/b.log"]);
        assert_eq!(kept[0].1, b"one\n");
        assert!(bundle.gaps.is_empty());
    }
}

#[test]
fn archives_in_archives_are_read_and_not_without_end() {
    let mut bytes = tarred(&[("a.log", b"deep\n", FILE)]);
    for _ in 0..3 {
        bytes = tarred(&[("in.tar", &bytes, FILE)]);
    }
    let (_folder, path) = written(&bytes);
    assert_eq!(names(&take(&path).0), ["in.tar/in.tar/in.tar/a.log"]);
    for _ in 0..3 {
        bytes = tarred(&[("in.tar", &bytes, FILE)]);
    }
    let (_folder, path) = written(&bytes);
    let (kept, bundle) = take(&path);
    assert!(kept.is_empty());
    assert!(
        bundle.gaps[0].why.contains("archives deep"),
        "{:?}",
        bundle.gaps
    );
    let (_folder, path) = written(&gz(b"Mar 10 11:00:00 n1 k3s[1]: x\n"));
    assert_eq!(names(&take(&path).0), ["a"]);
}

#[test]
fn names_that_lead_out_links_and_devices_are_gaps() {
    let bytes = tarred(&[
        ("../out.log", b"x\n", FILE),
        ("/etc/out.log", b"x\n", FILE),
        ("a/../../out.log", b"x\n", FILE),
        ("link", b"", tar::EntryType::Symlink),
        ("dev", b"", tar::EntryType::Block),
        ("pipe", b"", tar::EntryType::Fifo),
        ("good.log", b"x\n", FILE),
    ]);
    let (folder, path) = written(&bytes);
    let (kept, bundle) = take(&path);
    assert_eq!(names(&kept), ["good.log"]);
    assert_eq!(bundle.gaps.len(), 6, "{:?}", bundle.gaps);
    assert!(
        bundle
            .gaps
            .iter()
            .filter(|g| g.why.contains("leads out"))
            .count()
            == 3
    );
    // Nothing was written beside the archive, or above it.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let zip = zipped(&[("../out.log", b"x\n"), ("good.log", b"x\n")]);
    let (_folder, path) = written(&zip);
    let (kept, bundle) = take(&path);
    assert_eq!((names(&kept), bundle.gaps.len()), (vec!["good.log"], 1));
}

#[test]
fn what_is_cut_or_damaged_gives_what_stands_before_it() {
    // Digits of a generator: text that does not pack well.
    let mut state = 1u64;
    let long: String = (0..20_000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            char::from(b'0' + (state >> 60) as u8 % 10)
        })
        .collect();
    let plain = tarred(&[("a.log", b"one\n", FILE), ("b.log", long.as_bytes(), FILE)]);
    for bytes in [plain[..1700].to_vec(), gz(&plain)[..4000].to_vec()] {
        let (_folder, path) = written(&bytes);
        let (kept, bundle) = take(&path);
        assert_eq!(names(&kept)[0], "a.log");
        assert!(!bundle.gaps.is_empty());
    }
    // One that does not open is an error when it is all there is, and a gap among others.
    let (folder, path) = written(b"PK\x03\x04 and then nothing of a zip archive");
    let mut collection = Collection::new("0", Vec::new());
    let failed = defib_collect::tree(&mut collection, &path);
    assert!(
        matches!(&failed, Err(CollectError::Archive { why, .. }) if why.contains("damaged")),
        "{failed:?}"
    );
    std::fs::write(folder.path().join("b.log"), b"x\n").unwrap();
    let (kept, bundle) = take(folder.path());
    assert_eq!(names(&kept), ["b.log"]);
    assert!(bundle.gaps[0].why.contains("damaged"), "{:?}", bundle.gaps);
}

/// So many letters behind a beginning, packed.
fn bomb(head: &[u8], size: u64) -> Vec<u8> {
    use std::io::Read;
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    let mut input = head.chain(std::io::repeat(b'a').take(size - head.len() as u64));
    std::io::copy(&mut input, &mut encoder).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_long_text_is_read_objects_are_cut_and_a_bomb_is_stopped() {
    let (_folder, path) = written(&bomb(b"", 80 << 20));
    let (kept, bundle) = take(&path);
    assert_eq!(kept[0].1.len(), 80 << 20);
    assert_eq!(bundle.gaps, []);
    let (_folder, path) = written(&bomb(b"{\"kind\":\"", 130 << 20));
    let (kept, bundle) = take(&path);
    assert_eq!(kept[0].1.len(), 128 << 20);
    assert!(
        bundle.gaps[0].why.contains("first 128 MiB"),
        "{:?}",
        bundle.gaps
    );
    // Eight files of 60 MiB each, in some kilobytes.
    let one = bomb(b"", 60 << 20);
    let files: Vec<_> = (0..8).map(|_| ("x.zst", one.as_slice(), FILE)).collect();
    let (_folder, path) = written(&gz(&tarred(&files)));
    let (kept, bundle) = take(&path);
    assert!(kept.len() < 8);
    assert!(
        bundle
            .gaps
            .iter()
            .any(|g| g.why.contains("unpacks to more")),
        "{:?}",
        bundle.gaps
    );
}

#[test]
fn a_million_entries_end_at_the_cap() {
    let mut bytes = Vec::new();
    let one = header("a", 0, FILE);
    for _ in 0..1_000_000 {
        bytes.extend_from_slice(one.as_bytes());
    }
    let (_folder, path) = written(&gz(&bytes));
    let (kept, bundle) = take(&path);
    assert_eq!(kept.len(), 200_000);
    assert!(
        bundle
            .gaps
            .iter()
            .any(|g| g.why.contains("more than 200000")),
        "{:?}",
        bundle.gaps
    );
}
