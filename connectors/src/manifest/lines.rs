//! Where each key of a manifest stands, so that an error long after parsing still names the line.
//!
//! Only block style is indexed (`key:` on a line of its own indentation); a key inside `{ … }` has the line of its block.

/// Paths such as `streams.charges.pagination` with their lines.
#[derive(Clone, Debug, Default)]
pub struct Lines(Vec<(String, usize)>);

impl Lines {
    /// Indexes a YAML text.
    pub fn index(text: &str) -> Self {
        let (mut stack, mut found): (Vec<(usize, &str)>, _) = (Vec::new(), Vec::new());
        for (number, line) in text.lines().enumerate() {
            let content = line.trim_start();
            let indent = line.len() - content.len();
            let Some((key, rest)) = content.split_once(':') else { continue };
            let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
            if !is_key || !(rest.is_empty() || rest.starts_with(' ')) {
                continue;
            }
            while stack.last().is_some_and(|(above, _)| *above >= indent) {
                stack.pop();
            }
            stack.push((indent, key));
            found.push((stack.iter().map(|(_, key)| *key).collect::<Vec<_>>().join("."), number + 1));
        }
        Self(found)
    }

    /// The line of just this path.
    pub fn exactly(&self, path: &str) -> Option<usize> {
        self.0.iter().find(|(known, _)| known == path).map(|(_, line)| *line)
    }

    /// The line of `path`, or of the nearest path above it that stands in the text.
    pub fn of(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.exactly(path) {
                return Some(line);
            }
            path = path.rsplit_once('.')?.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_key_or_the_block_that_holds_it() {
        let lines =
            Lines::index("a: 1\nstreams:\n  # note: no key\n  x:\n    path: /y\n    window: { field: z }\n  w: 2\n");
        assert_eq!(lines.of("streams.x.path"), Some(5));
        assert_eq!(lines.of("streams.x.window.field"), Some(6));
        assert_eq!(lines.of("streams.w"), Some(7));
        assert_eq!(lines.of("nothing"), None);
    }
}
