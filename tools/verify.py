#!/usr/bin/env python3
"""Checks a Sightline log without any of Sightline's code: a receipt, a whole log, or an evidence bundle.

PATH is a .tlog-proof file, a directory with `checkpoint` and `tile/`, a ledger's or a data directory, or an evidence
bundle (with `manifest`). Needs Python 3.9 and `cryptography`. Written from the specifications: RFC 6962, 9162, 8949,
and C2SP signed-note, tlog-checkpoint, tlog-tiles, tlog-proof, tlog-cosignature, tlog-policy. It only reads; a
ledger's own journal it does not read. Exit status: 0 good; 1 could not be checked; 2 damaged, rolled back or forked.
"""
import argparse, base64, gzip, hashlib, json, re, sys, zlib
from pathlib import Path
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KINDS = ("started settings_in_force policy_in_force staff_recorded session_opened session_closed grant_issued revealed listed "
         "written refused revoked questioned proposed decided erased incident_opened finding contained lifted triaged mark_issued "
         "mark_fault mark_sound watch_in_force reauthenticated - rule_matched canaries_planted drill_run").split()
SECRET = 0b0111_1100_0000_0000  # the field classes secret.*
BESIDE = {"checkpoint", "log.vkey", "trust-policy", "pruning-policy"}

class Damaged(Exception): """It is not what it should be."""
class Unusable(Exception): """It could not be checked."""
def read_text(path): return path.read_bytes().decode("utf-8", "replace")  # newlines as they are
def unbase64(text, what):
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if not raw or base64.b64encode(raw).decode() != text:  # also when spare bits are set
        raise Damaged(f"{what} is not base64")
    return raw

class Key:
    """A verification key: name+hex8+base64(type || public key). Type 1 signs notes, type 4 cosigns them."""
    def __init__(self, vkey, kind):
        try:
            self.name, number, encoded = vkey.strip().split("+", 2)
            raw = base64.b64decode(encoded, validate=True)
        except ValueError:
            raise Unusable(f"not a verification key: {vkey.strip()[:80]}") from None
        self.id = hashlib.sha256(self.name.encode() + b"\n" + raw).digest()[:4]
        if len(raw) != 33 or raw[0] != kind or number != self.id.hex():
            raise Unusable(f"{self.name}: not an Ed25519 key of type {kind} with its own number")
        self.raw, self.kind, self.key = raw[1:], kind, Ed25519PublicKey.from_public_bytes(raw[1:])
    def signed(self, note):
        """Whether this key signed the note; for a cosigner, when. A wrong signature of this key is damage."""
        found = None
        for signature in (sig for name, key_id, sig in note.signatures if (name, key_id) == (self.name, self.id)):
            message, found = note.text.encode(), True
            if self.kind == 4:
                found, signature = int.from_bytes(signature[:8], "big"), signature[8:]
                message = f"cosignature/v1\ntime {found}\n".encode() + message
            try:
                self.key.verify(signature, message)
            except InvalidSignature:
                raise Damaged(f"{note.path}: the signature of {self.name} is wrong") from None
        return found

class Note:
    def __init__(self, text, path):
        body, _, lines = text.rpartition("\n\n")
        self.path, self.text, self.signatures = path, body + "\n", []
        if not body or not lines.endswith("\n") or re.search(r"[\x00-\x09\x0b-\x1f]", text):
            raise Damaged(f"{path}: not a signed note")
        for line in lines[:-1].split("\n"):
            match = re.fullmatch(r"— ([^\s+]+) (\S+)", line)
            raw = unbase64(match[2], f"{path}: a signature") if match else b""
            if len(raw) < 5:
                raise Damaged(f"{path}: a line after the blank line is not a signature")
            self.signatures.append((match[1], raw[:4], raw[4:]))

class Checkpoint:
    def __init__(self, text, path, key, policy=None):
        note = Note(text, path)
        if not key.signed(note):
            raise Damaged(f"{path}: not signed by {key.name}")
        match = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]*)\n([^\n]{44})\n(?:[^\n]+\n)*", note.text)
        if not match or match[1] != key.name:
            raise Damaged(f"{path}: not a checkpoint of {key.name!r}")
        self.path, self.size, self.root = path, int(match[2]), unbase64(match[3], f"{path}: the root")
        self.cosigned = policy.check(note) if policy else None

class Policy:
    """Which logs and which quorum of witnesses are believed (C2SP tlog-policy)."""
    def __init__(self, text):
        self.logs, self.rules, self.quorum = [], {}, None
        for line in text.split("\n"):
            word, *rest = line.split() or ["#"]
            if word == "log":
                self.logs.append(Key(rest[0], 1))
            elif word == "witness" and rest[0] not in self.rules:
                self.rules[rest[0]] = Key(rest[1], 4)
            elif word == "group" and rest[0] not in self.rules and all(name in self.rules for name in rest[2:]):
                count = {"any": 1, "all": len(rest) - 2}.get(rest[1]) or int(rest[1])
                self.rules[rest[0]] = (count, rest[2:])
            elif word == "quorum" and self.quorum is None and (rest[0] == "none" or rest[0] in self.rules):
                self.quorum = rest[0]
            elif not word.startswith("#"):
                raise Unusable(f"the policy: {line!r}")
        if self.quorum is None:
            raise Unusable("the policy names no quorum")
    def check(self, note):
        witnesses = {name: rule for name, rule in self.rules.items() if isinstance(rule, Key)}
        times = {name: time for name, key in witnesses.items() if (time := key.signed(note)) is not None}
        def holds(name):
            rule = self.rules[name]
            return name in times if isinstance(rule, Key) else sum(map(holds, rule[1])) >= rule[0]
        if self.quorum != "none" and not holds(self.quorum):
            raise Damaged(f"{note.path}: cosigned by {', '.join(times) or 'nobody'}; that is no {self.quorum}")
        return times

def leaf_hash(entry): return hashlib.sha256(b"\0" + entry).digest()
def node_hash(left, right): return hashlib.sha256(b"\1" + left + right).digest()
def root_of(hashes):
    """RFC 6962 section 2.1: the left subtree is the largest power of two that leaves a right one."""
    if len(hashes) < 2:
        return hashes[0] if hashes else hashlib.sha256().digest()
    left = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(root_of(hashes[:left]), root_of(hashes[left:]))
def root_of_levels(levels):
    rest = []
    for hashes in levels:
        rest = [root_of(hashes + rest)] if hashes or rest else []
    return root_of(rest)
def inclusion_holds(leaf, index, size, path, root):
    """RFC 9162 section 2.1.3.2."""
    at, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    return index < size and last == 0 and found == root

def tile_path(level, number, width=256):
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    return f"tile/{level}/" + "/".join(groups) + (f".p/{width}" if width < 256 else "")
def cbor(data, at=0):
    """One item of deterministic CBOR: definite lengths, shortest numbers, no absent field at the end of an array."""
    first, at = data[at], at + 1
    major, value = first >> 5, first & 31
    if 24 <= value <= 27 and major != 7:
        length, shorter = 1 << value - 24, 24 if value == 24 else 1 << (4 << value - 24)
        value, at = int.from_bytes(data[at:at + length], "big"), at + length
        if value < shorter or at > len(data):
            raise ValueError("a number that is not in its shortest form")
    if major == 0 and value < 1 << 64:
        return value, at
    if major in (2, 3) and at + value <= len(data):
        return (data[at:at + value] if major == 2 else data[at:at + value].decode()), at + value
    if major == 4 and value <= len(data):
        items = []
        for _ in range(value):
            item, at = cbor(data, at)
            items.append(item)
        if items and items[-1] is None:
            raise ValueError("an absent field at the end")
        return items, at
    if first in (0xF4, 0xF5, 0xF6):
        return {0xF4: False, 0xF5: True, 0xF6: None}[first], at
    raise ValueError("not CBOR of an entry")
def decode(index, data):
    """(time, kind, fields) of an entry."""
    try:
        (time, (kind, (fields,))), end = cbor(data)
        if end != len(data) or not all(isinstance(n, int) for n in (time, kind)) or not isinstance(fields, list):
            raise ValueError("bytes after the end")
    except (ValueError, TypeError, IndexError, RecursionError) as error:
        raise Damaged(f"entry {index} cannot be read: {error}") from None
    return time, (KINDS[kind:kind + 1] or [f"kind {kind}"])[0], fields

class Rules:
    """No look, list or write but in an open session of its viewer; no look but under a grant in force that covers
    it; nothing behind a revocation; time never goes back."""
    def __init__(self):
        self.time, self.counts = 0, {}
        self.staff, self.held = {}, {}  # name -> entry that suspended; id -> [staff, app, classes, expires, ended]
    def take(self, index, time, kind, fields):
        try:
            if time < self.time:
                raise Damaged("it is older than the one before it")
            self.time, self.counts[kind] = time, self.counts.get(kind, 0) + 1
            getattr(self, kind, lambda *_: None)(index, *fields)
        except Damaged as breach:
            raise Damaged(f"entry {index} ({kind}): {breach}") from None
        except (TypeError, ValueError, IndexError):
            raise Damaged(f"entry {index} ({kind}) does not have the fields of its kind") from None
    def staff_recorded(self, index, record, by):
        name, active, ended = record[0], record[5] == 0, self.staff.get(record[0])
        if active and ended is not None and by[0] == 2:
            raise Damaged(f"{name} was suspended by entry {ended}, and a login alone made them active again")
        self.staff[name] = None if active else index if ended is None else ended
        if not active:
            self.end(index, name)
    def session_opened(self, _, session, staff, app, token, expires): self.keep(b"s" + session, staff, app, 0, expires)
    def grant_issued(self, index, grant, staff, app, subject, tier, classes, purpose, evidence, expires, *_):
        self.keep(b"g" + grant, staff, app, classes, expires)
    def keep(self, key, staff, app, classes, expires):
        if self.staff.get(staff, 0) is not None or key in self.held:
            raise Damaged(f"{staff} is not staff or was suspended, or its id was there already")
        self.held[key] = [staff, app, classes, expires, None]
    def session_closed(self, index, session, why): self.end(index, b"s" + session)
    def revoked(self, index, target, *_):
        kind, (who,) = target
        if kind == 0 and self.staff.get(who) is None:
            self.staff[who] = index
        self.end(index, who if kind == 0 else (b"s" if kind == 1 else b"g") + who)
    def end(self, index, who):
        """Ends a session or a grant, or all of a person's."""
        for held in [self.held[who]] if who in self.held else [h for h in self.held.values() if h[0] == who]:
            held[4] = index if held[4] is None else held[4]
    def revealed(self, index, response, by, subject, tier, action, classes, evidence, grant, *_):
        self.seat(by, classes)
        self.admits(b"g" + grant, by, classes, "grant")
    def listed(self, index, response, by, action, rows, subjects, classes, *_): self.seat(by, classes)
    def written(self, index, response, by, *_): self.seat(by, 0)
    def seat(self, by, classes):
        self.admits(b"s" + by[1], by, 0, "session")
        if classes & SECRET:
            raise Damaged("it shows what is never shown")
    def admits(self, key, by, classes, what):
        staff, app, covered, expires, ended = self.held.get(key) or (None,) * 5
        if staff is None:
            raise Damaged(f"there is no {what} with its id")
        if ended is not None:
            raise Damaged(f"its {what} ended with entry {ended}")
        if expires <= self.time or (staff, app) != (by[0], by[2]) or classes & ~covered:
            raise Damaged(f"its {what} had expired, is somebody else's, or does not cover it")

def check_receipt(text, path, key, policy, rules=None):
    head, blank, note = text.partition("\n\n")
    match = re.fullmatch(r"c2sp\.org/tlog-proof@v1\nextra (\S+)\nindex (0|[1-9][0-9]*)((?:\n\S{44})*)", head)
    if not match or not blank:
        raise Damaged(f"{path}: not a proof that carries its entry")
    index, entry = int(match[2]), unbase64(match[1], f"{path}: the entry")
    proof = [unbase64(line, f"{path}: the path") for line in match[3].split()]
    checkpoint = Checkpoint(note, path, key, policy)
    if not inclusion_holds(leaf_hash(entry), index, checkpoint.size, proof, checkpoint.root):
        raise Damaged(f"{path}: entry {index} is not in the tree of the checkpoint of size {checkpoint.size}")
    time, kind, fields = decode(index, entry)
    if rules: rules.take(index, time, kind, fields)
    return {"index": index, "time_ms": time, "kind": kind, "size": checkpoint.size, "cosigned": checkpoint.cosigned}

def fetch(root, level, number, width):
    """A tile, or the full one that it is the beginning of, and whether it is that. In a compacted ledger full bundles are
    packed, and the tiles of hashes that they give are left out."""
    path, full = tile_path(level, number, width), tile_path(level, number)
    packed = root / (tile_path("entries", number) + ".gz")
    for name in (path, full):
        if (root / name).is_file():
            return (root / name).read_bytes(), name == path
    if str(level) not in ("0", "entries") or not packed.is_file():
        raise Damaged(f"{path} is missing")
    data = unpack(packed, full)
    return data if level == "entries" else b"".join(map(leaf_hash, cut(data, "entries", 256)[0])), path == full
def unpack(packed, name):
    try:
        return gzip.decompress(packed.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise Damaged(f"{name} cannot be unpacked: {error}") from None
def cut(data, level, most):
    items, at = [], 0
    while at < len(data) and len(items) < most:
        begin = at + 2 * (level == "entries")
        at = begin + (int.from_bytes(data[at:begin], "big") if level == "entries" else 32)
        items.append(data[begin:at])
    return items, at
def tile(root, level, number, width):
    """The hashes or entries of a tile; for a partial tile that is gone, the beginning of the full one."""
    data, whole = fetch(root, level, number, width)
    items, end = cut(data, level, len(data) if whole else width)
    if level == "entries" and (len(items) != width or end > len(data)):
        raise Damaged(f"{tile_path(level, number, width)} does not hold {width} entries")
    return items
def compare(root, level, number, computed):
    path, found = tile_path(level, number, len(computed)), tile(root, level, number, len(computed))
    if found != computed:
        wrong = next((i for i, (a, b) in enumerate(zip(found, computed)) if a != b), min(len(found), len(computed)))
        if level or len(found) != len(computed) or len(found[-1]) != 32:
            raise Damaged(f"{path} is not what the tiles below it give, from hash {wrong} on")
        bundle = tile_path("entries", number, len(computed))
        raise Damaged(f"entry {number * 256 + wrong} (in {bundle}) is not the one that {path} has the hash of")

def check_log(root, key, policy, known):
    if not (root / "checkpoint").is_file():
        raise Damaged("checkpoint is missing")
    checkpoint = Checkpoint(read_text(root / "checkpoint"), "checkpoint", key, policy)
    for old in (old for old in known if old.size > checkpoint.size):
        raise Damaged(f"ROLLED BACK: {old.path} is of {old.size} entries, the log has {checkpoint.size}")
    levels, rules = [[]], Rules()
    def carry(level, number, found):
        if level == len(levels):
            levels.append([])
        levels[level].append(found)
        if len(levels[level]) == 256:
            compare(root, level, number // 256, levels[level])
            levels[level], full = [], root_of(levels[level])
            carry(level + 1, number // 256, full)
    for number in range(-(-checkpoint.size // 256)):
        first, width = number * 256, min(256, checkpoint.size - number * 256)
        entries = tile(root, "entries", number, width)
        leaves = [leaf_hash(entry) for entry in entries]
        compare(root, 0, number, leaves)
        for index, entry in enumerate(entries, first):
            rules.take(index, *decode(index, entry))
        for old in (old for old in known if first < old.size <= first + width):
            if root_of_levels([leaves[:old.size - first]] + levels[1:]) != old.root:
                raise Damaged(f"FORKED: the first {old.size} entries are not those of {old.path}")
        if width == 256:
            carry(1, number, root_of(leaves))
        else:
            levels[0] = leaves
    for level, hashes in enumerate(levels[1:], 1):
        if hashes:
            compare(root, level, (checkpoint.size >> 8 * level) // 256, hashes)
    if root_of_levels(levels) != checkpoint.root:
        raise Damaged(f"the {checkpoint.size} entries do not have the root that the checkpoint says")
    check_strays(root, checkpoint.size)
    return {"origin": key.name, "entries": checkpoint.size, "counts": rules.counts, "cosigned": checkpoint.cosigned}
def check_strays(root, size):
    """What is no part of a log, and partial tiles that are not the beginning of what they grew into."""
    paths = (file.relative_to(root).as_posix() for file in root.rglob("*") if not file.is_dir())
    for path in sorted(path for path in paths if path not in BESIDE and not path.endswith(".new")):
        plain = path[:-3] if re.fullmatch(r"tile/entries/[x0-9/]*\.gz", path) else path
        match = re.fullmatch(r"tile/(entries|\d{1,2})/((?:x\d{3}/)*\d{3})(?:\.p/(\d{1,3}))?", plain)
        level, number, width = (match[1], re.sub("[x/]", "", match[2]), match[3] or 256) if match else (0, 0, 0)
        number, width = int(number), int(width)
        if not match or tile_path(level, number, width) != plain or not 0 < width < 256 + (not match[3]):
            raise Damaged(f"{path} is no part of a log")
        now = min(256, (size if level == "entries" else size >> 8 * int(level)) - number * 256)
        twice = plain != path and (root / plain).is_file() and unpack(root / path, path) != (root / plain).read_bytes()
        if twice or width < now and not fetch(root, level, number, now)[0].startswith((root / path).read_bytes()):
            raise Damaged(f"{path} is not the beginning of the tile that it grew into")
def check_bundle(root, key, policy):
    note = Note(read_text(root / "manifest"), "manifest")
    lines = note.text.split("\n")
    if not key.signed(note) or lines[:2] != ["sightline evidence manifest v1", f"log {key.name}"]:
        raise Damaged(f"manifest: not a manifest that {key.name} signed")
    listed = {line[66:]: line[:64] for line in lines if re.match(r"[0-9a-f]{64}  .", line)}
    there = {file.relative_to(root).as_posix(): file for file in root.rglob("*") if not file.is_dir()}
    for path in sorted(listed.keys() | (there.keys() - {"manifest"})):
        if path not in there or path not in listed:
            raise Damaged(f"{path} is {'missing' if path in listed else 'not in the manifest'}")
        if hashlib.sha256(there[path].read_bytes()).hexdigest() != listed[path]:
            raise Damaged(f"{path} is not the file that the manifest was signed over")
    note, rules = read_text(root / "checkpoint"), Rules()
    Checkpoint(note, "checkpoint", key, policy)
    receipts = sorted(path for path in listed if path.endswith(".tlog-proof"))
    for path in receipts:
        index = check_receipt(read_text(there[path]), path, key, None, rules)["index"]
        if path != f"receipts/{index:012}.tlog-proof" or not read_text(there[path]).endswith("\n\n" + note):
            raise Damaged(f"{path} is the receipt of entry {index}, or leads to another checkpoint")
    return {"origin": key.name, "files": len(listed), "receipts": len(receipts)}
def check(path, options, policy):
    ledger = next((dir for dir in (path / "ledger", path / "data/ledger", path) if (dir / "format").is_file()), None)
    lying = (ledger or path) / "log.vkey"
    vkey = options.vkey or (lying.read_text() if path.is_dir() and lying.is_file() else None)
    if not vkey and not (policy and policy.logs):
        raise Unusable("name the log's verification key with --vkey, from another place than this")
    vkey = Path(vkey).read_text() if vkey and len(vkey) < 256 and Path(vkey).is_file() else vkey
    key = policy.logs[0] if policy and len(policy.logs) == 1 and not options.vkey else Key(vkey, 1)
    if policy and policy.logs and key.raw not in [log.raw for log in policy.logs]:
        raise Unusable("the policy does not name this log")
    if not path.is_dir():
        return check_receipt(read_text(path), path.name, key, policy)
    if (path / "manifest").is_file():
        return check_bundle(path, key, policy)
    known = [Checkpoint(Path(file).read_text(), file, key) for file in options.checkpoint]
    return check_log(ledger / "public" if ledger else path, key, policy, known)
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", metavar="PATH", type=Path)
    parser.add_argument("--vkey", help="the log's verification key, or a file that holds it")
    parser.add_argument("--policy", type=Path, help="a C2SP tlog-policy: whose cosignatures are needed")
    parser.add_argument("--checkpoint", action="append", default=[], help="a checkpoint that you kept; may be repeated")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each path")
    options, worst = parser.parse_args(), 0
    for path in options.paths:
        try:
            policy = Policy(options.policy.read_text()) if options.policy else None
            answer, code = {"good": True, **check(path, options, policy)}, 0
        except Damaged as damage:
            answer, code = {"good": False, "damage": str(damage)}, 2
        except (Unusable, OSError, UnicodeError, IndexError, ValueError) as error:
            answer, code = {"good": False, "unusable": str(error)}, 1
        worst = max(worst, code)
        said = ("good", "NOT CHECKED", "DAMAGED")[code], *(f"{k} {v}" for k, v in answer.items() if k != "good")
        print(json.dumps({"path": str(path), **answer}) if options.json else f"{path}: {', '.join(said)}")
    return worst
if __name__ == "__main__":
    sys.exit(main())
