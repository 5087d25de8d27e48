//! What can go wrong with a file.

use std::fs;
use std::io;
use std::path::Path;

/// What can happen to a file.
#[derive(Clone, Copy, Debug)]
pub enum Harm {
    Rubbish,
    HugeNumbers,
    Cut,
    Empty,
    Missing,
    Directory,
    /// A symbolic link to itself: even root can't open it.
    Unreadable,
}

/// All of it.
pub const HARMS: [Harm; 7] = [
    Harm::Rubbish,
    Harm::HugeNumbers,
    Harm::Cut,
    Harm::Empty,
    Harm::Missing,
    Harm::Directory,
    Harm::Unreadable,
];

/// Puts what is left of a file that had `content` at `path`, where there is nothing now.
pub fn inflict(harm: Harm, path: &Path, content: &[u8]) {
    match harm {
        Harm::Rubbish => fs::write(path, rubbish(content)).unwrap(),
        Harm::HugeNumbers => {
            let parts = content.split(u8::is_ascii_digit).collect::<Vec<_>>();
            let text: Vec<&[u8]> = parts
                .iter()
                .enumerate()
                .filter(|(n, part)| *n == 0 || !part.is_empty())
                .map(|(_, part)| *part)
                .collect();
            fs::write(path, text.join(&b"99999999999999999999"[..])).unwrap();
        }
        Harm::Cut => fs::write(path, &content[..content.len() / 2]).unwrap(),
        Harm::Empty => fs::write(path, "").unwrap(),
        Harm::Missing => {}
        Harm::Directory => fs::create_dir(path).unwrap(),
        Harm::Unreadable => std::os::unix::fs::symlink(path.file_name().unwrap(), path).unwrap(),
    }
}

/// As many bytes as `content` has and some more, the same for the same content, with white space here and there.
fn rubbish(content: &[u8]) -> Vec<u8> {
    let seed = content.iter().fold(14_695_981_039_346_656_037_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211)
    });
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let byte = |bytes: [u8; 8]| if bytes[1] < 40 { b" \n\t:"[usize::from(bytes[2] % 4)] } else { bytes[0] };
    (0..content.len() + 100).map(|_| byte(next())).collect()
}

/// Takes away what [`inflict`] has left.
pub fn remove(path: &Path) {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
    }
}
