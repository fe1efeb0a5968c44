//! A batch on the disk: a header that is checked by itself, and the batch's bytes. A chunk of a compacted segment has the
//! same header but for its first four bytes.
//!
//! ```text
//! "SLJ1" (a batch) or "SLC1" (a chunk)
//! | u32 length of what follows | u64 first | u32 count | u32 CRC32C of what follows | u32 CRC32C of the above
//! ```

use std::io::{self, Read};

use super::{Batch, Chunk};

/// How many bytes the header has.
pub(super) const HEADER: usize = 28;
const MAGIC: [u8; 4] = *b"SLJ1";
const COMPACTED: [u8; 4] = *b"SLC1";
/// The unit in which disks write: after a power cut each is old, new, or zero.
const SECTOR: u64 = 512;

/// Writes the frame of a batch into `out`, which is emptied before.
pub(super) fn write(batch: &Batch, out: &mut Vec<u8>) {
    // A batch is cut far below 4 GiB when it is put together.
    write_with(MAGIC, batch.first(), batch.count(), batch.bytes(), out);
}

/// Writes the frame of a chunk with these bytes, which are far below 4 GiB.
pub(super) fn write_chunk(first: u64, count: u32, bytes: &[u8], out: &mut Vec<u8>) {
    write_with(COMPACTED, first, count, bytes, out);
}

fn write_with(magic: [u8; 4], first: u64, count: u32, bytes: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&magic);
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(&first.to_be_bytes());
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&crc32c::crc32c(bytes).to_be_bytes());
    out.extend_from_slice(&crc32c::crc32c(out).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Whether a segment that begins with these bytes is compacted.
pub(super) fn is_compacted(beginning: &[u8]) -> bool {
    beginning.starts_with(&COMPACTED)
}

struct Header {
    is_compacted: bool,
    length: u32,
    first: u64,
    count: u32,
    crc: u32,
}

impl Header {
    fn parse(bytes: &[u8; HEADER]) -> Option<Self> {
        let u32_at = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let is_compacted = is_compacted(bytes);
        if !(is_compacted || bytes.starts_with(&MAGIC)) || u32_at(24) != crc32c::crc32c(&bytes[..24]) {
            return None;
        }
        let first = u64::from(u32_at(8)) << 32 | u64::from(u32_at(12));
        Some(Self { is_compacted, length: u32_at(4), first, count: u32_at(16), crc: u32_at(20) })
    }
}

/// What is in a frame.
#[derive(Debug)]
pub(super) enum Frame {
    Batch(Batch),
    Chunk(Chunk),
}

impl Frame {
    /// The number of the first entry.
    pub(super) fn first(&self) -> u64 {
        match self {
            Self::Batch(batch) => batch.first(),
            Self::Chunk(chunk) => chunk.first(),
        }
    }

    /// The size of the tree up to the last entry.
    pub(super) fn end(&self) -> u64 {
        match self {
            Self::Batch(batch) => batch.end(),
            Self::Chunk(chunk) => chunk.end(),
        }
    }
}

/// What stands at a place in a segment.
#[derive(Debug)]
pub(super) enum Found {
    /// A whole frame of this many bytes.
    Frame(Frame, u64),
    /// The segment ends there.
    End,
    /// Something that is no frame.
    Broken(&'static str),
}

/// Reads the frame that begins where `from` stands; `left` bytes are there up to the end.
pub(super) fn read(from: &mut dyn Read, left: u64) -> io::Result<Found> {
    if left == 0 {
        return Ok(Found::End);
    }
    if left < HEADER as u64 {
        return Ok(Found::Broken("a header is cut off"));
    }
    let mut header = [0; HEADER];
    from.read_exact(&mut header)?;
    let Some(header) = Header::parse(&header) else {
        return Ok(Found::Broken("there is no valid header"));
    };
    if u64::from(header.length) > left - HEADER as u64 {
        return Ok(Found::Broken("a batch is cut off"));
    }
    let mut bytes = vec![0; header.length as usize];
    from.read_exact(&mut bytes)?;
    if crc32c::crc32c(&bytes) != header.crc {
        return Ok(Found::Broken("the checksum of a batch is wrong"));
    }
    let frame = if header.is_compacted {
        Chunk::parse(header.first, header.count, &bytes).map(Frame::Chunk)
    } else {
        Batch::parse(header.first, header.count, bytes).map(Frame::Batch)
    };
    Ok(match frame {
        Ok(frame) => Found::Frame(frame, HEADER as u64 + u64::from(header.length)),
        Err(what) => Found::Broken(what),
    })
}

/// Whether what stands at the end of the last segment, from byte `offset` of the file on, can be a write
/// that was interrupted. Only then may it be cut off.
///
/// One frame is written at a time and synced before the next, so an interrupted one is the last thing in
/// the file. It is cut short; or, where the file system had already made the file longer, sectors of it are
/// still zero, which no whole frame ever has (openings are sealed, entries are CBOR without padding). A
/// frame that is complete and wrong was once promised, and is damage.
pub(super) fn is_interrupted_write(rest: &[u8], offset: u64) -> bool {
    let whole_frame_follows = (1..rest.len()).any(|at| {
        rest[at..].starts_with(&MAGIC)
            && matches!(read(&mut &rest[at..], (rest.len() - at) as u64), Ok(Found::Frame(..)))
    });
    if whole_frame_follows {
        return false;
    }
    let header = rest.first_chunk().and_then(Header::parse);
    let is_short = match &header {
        None => rest.len() < HEADER,
        Some(header) => (rest.len() as u64) < HEADER as u64 + u64::from(header.length),
    };
    is_short || has_zero_sector(rest, offset)
}

/// Whether one of the disk's sectors, as far as it lies in `rest`, is all zero.
fn has_zero_sector(rest: &[u8], offset: u64) -> bool {
    let head = ((SECTOR - offset % SECTOR) % SECTOR).min(rest.len() as u64) as usize;
    let (first, aligned) = rest.split_at(head);
    std::iter::once(first)
        .chain(aligned.chunks(SECTOR as usize))
        // A few zero bytes at either end are no sign of anything.
        .any(|sector| sector.len() >= 16 && sector.iter().all(|byte| *byte == 0))
}
