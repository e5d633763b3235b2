//! Files that are written: whole under any number of writers, nowhere but under their names, and nothing left of a failure.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use ndarray::ArrayD;
use pullback::{
    Value,
    io::Arrays,
    view::{Axis, Chart},
};

/// How often each of two writers writes. One fixed name beside the file fails within the first few.
const N_WRITES: usize = 60;

/// An empty folder of one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = env::temp_dir().join(format!("pullback-files-{}-{name}", process::id()));
        fs::create_dir_all(&path).expect("the folder of temporary files can be written");
        Folder(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the folder is there");
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Arrays of one number and of a length of its own.
fn arrays(number: f32, n: usize) -> Arrays {
    let mut arrays = Arrays::new();
    arrays.insert("all", Value::F32(ArrayD::from_elem(vec![n], number)));
    arrays.note("number", number.to_string());
    arrays
}

fn chart(label: &str) -> Chart {
    Chart::new(label, Axis::new("x"), Axis::new("y")).line(label, [(0.0, 0.0), (1.0, 1.0)])
}

/// Everything in the crate that writes a file, each with two contents.
type Write = Box<dyn Fn(&Path, usize) + Sync>;

fn writers() -> [(&'static str, Write, Vec<Vec<u8>>); 2] {
    let contents = [arrays(1.0, 40_000), arrays(2.0, 70_000)];
    let charts = [chart("one"), chart("another")];
    let all_bytes = contents.iter().map(|arrays| arrays.to_bytes().expect("they can be written")).collect();
    let all_text = charts.iter().map(|chart| chart.to_svg().expect("it can be drawn").into_bytes()).collect();
    let save = move |path: &Path, which: usize| contents[which].save(path).expect("the file can be written");
    let draw = move |path: &Path, which: usize| charts[which].save(path).expect("the file can be written");
    [("arrays", Box::new(save), all_bytes), ("chart", Box::new(draw), all_text)]
}

#[test]
fn every_file_is_whole_at_any_time_under_two_writers() {
    for (name, write, contents) in writers() {
        let folder = Folder::new(name);
        let path = folder.0.join("file");
        write(&path, 0);
        let is_done = AtomicBool::new(false);
        let n_read = thread::scope(|scope| {
            let writers: Vec<_> = (0..2)
                .map(|which| {
                    let (write, path) = (&write, &path);
                    scope.spawn(move || (0..N_WRITES).for_each(|_| write(path, which)))
                })
                .collect();
            let reader = scope.spawn(|| {
                let mut n_read = 0;
                while !is_done.load(Ordering::Relaxed) {
                    let found = fs::read(&path).expect("the file is always there");
                    assert!(contents.contains(&found), "{name}: {} bytes are none of the contents", found.len());
                    n_read += 1;
                }
                n_read
            });
            let written: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
            is_done.store(true, Ordering::Relaxed);
            assert!(written.iter().all(Result::is_ok), "{name}: a writer was disturbed");
            reader.join().expect("every read is whole")
        });
        assert!(n_read > 0);
        assert_eq!(folder.names(), ["file"], "{name}");
    }
}

/// Whatever stands beside the file, under a name that somebody may guess, is not written through.
#[cfg(unix)]
#[test]
fn no_link_beside_a_file_is_followed() {
    for (name, write, _) in writers() {
        let folder = Folder::new(&format!("link-{name}"));
        let (path, victim) = (folder.0.join("file"), folder.0.join("victim"));
        fs::write(&victim, "untouched").expect("the folder can be written");
        for guess in ["file.part", "file.tmp", ".file.part", "file~"] {
            std::os::unix::fs::symlink(&victim, folder.0.join(guess)).expect("the folder can be written");
        }
        write(&path, 0);
        assert_eq!(fs::read_to_string(&victim).expect("it is there"), "untouched", "{name}");
        // A link under the name itself is replaced, and what it points to is left alone.
        fs::remove_file(&path).expect("it is there");
        std::os::unix::fs::symlink(&victim, &path).expect("the folder can be written");
        write(&path, 1);
        assert_eq!(fs::read_to_string(&victim).expect("it is there"), "untouched", "{name}");
        assert_eq!(folder.names().len(), 6, "{name}");
    }
}

#[test]
fn a_file_that_cannot_be_written_leaves_nothing_behind() {
    let folder = Folder::new("taken");
    let path = folder.0.join("taken");
    fs::create_dir(&path).expect("the folder can be written");
    assert!(arrays(1.0, 10).save(&path).is_err());
    assert!(chart("one").save(&path).is_err());
    assert_eq!(folder.names(), ["taken"]);
    assert!(path.is_dir());
}
