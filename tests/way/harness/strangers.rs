//! `DuckDB` and `deltalake` (Python) read a table without us.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::project::tools;

/// Reads a Delta table at `sys.argv[1]` with `DuckDB` as `delta`, whose progress bar would stand in the answer.
const DUCKDB: &str = "
import duckdb, glob, importlib.util
connection = duckdb.connect(config={'allow_unsigned_extensions': 'false'})
connection.execute('set enable_progress_bar = false')
package = os.path.dirname(importlib.util.find_spec('duckdb_extension_delta').origin)
connection.execute(f\"load '{glob.glob(package + '/extensions/*/delta.duckdb_extension')[0]}'\")
delta = f\"delta_scan('{sys.argv[1]}')\"
";

const DELTALAKE: &str = "
import deltalake, pyarrow.compute as pc
delta = deltalake.DeltaTable(sys.argv[1])
";

/// What each of them prints of a table: `duckdb` is Python over `connection` and `delta`, `deltalake` over `pc` and `delta`. None
/// where they are not installed, and says so.
pub(crate) fn strangers(table: &Path, duckdb: &str, deltalake: &str) -> Option<[String; 2]> {
    let venv = tools().join("venv/bin/python");
    if !venv.is_file() {
        eprintln!("skipped: {} is not there; .ci/install makes it", venv.display());
        return None;
    }
    Some([(DUCKDB, duckdb), (DELTALAKE, deltalake)].map(|(opens, asks)| printed(&venv, table, opens, asks)))
}

fn printed(venv: &PathBuf, table: &Path, opens: &str, asks: &str) -> String {
    // Threads of a library that still run would end the process with an error after its answer.
    let script = format!("import os, sys\n{opens}{asks}\nsys.stdout.flush()\nos._exit(0)");
    let output = Command::new(venv).args(["-c", &script]).arg(table).output().unwrap();
    assert!(output.status.success(), "{}: {}", table.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
