//! Lists the manifests that lie in `manifests/`, so that a new connector is a new file and nothing else.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=manifests");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("manifests.rs"), list(&root.join("manifests"))?)
}

/// The files as an array of (name, text), in the order of their names.
fn list(folder: &Path) -> io::Result<String> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort_unstable();
    let mut text = String::from("&[\n");
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        text.push_str(&format!("    ({name:?}, include_str!({:?})),\n", file.display().to_string()));
    }
    text.push_str("]\n");
    Ok(text)
}
