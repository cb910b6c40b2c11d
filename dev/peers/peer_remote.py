"""The commands of the peer that work on a remote: sessions of ebooklet, and its lock."""
import base64

import ebooklet

from peer_values import decode, encode


def connection(remote):
    """A remote as the tests give it: a public URL, or what an S3Connection is made of."""
    return remote if isinstance(remote, str) else ebooklet.S3Connection(**remote)


class Remote:
    def __init__(self, peer):
        self.peer = peer

    def open(self, remote, path, flag="r", **options):
        known = {
            "valueSerializer": "value_serializer",
            "numGroups": "num_groups",
            "buckets": "n_buckets",
            "bufferSize": "buffer_size",
            "lockTimeout": "lock_timeout",
            "forceLock": "force_lock",
            "offline": "offline",
        }
        # "None" is a serializer's name for us, where the original has the value.
        arguments = {known[name]: None if value == "None" else value for name, value in options.items()}
        return {"handle": self.peer.add(ebooklet.open_ebooklet(connection(remote), path, flag, **arguments))}

    def apply(self, handle, operations):
        return [self.apply_one(self.peer.handles[handle], operation) for operation in operations]

    def apply_one(self, database, operation):
        kind = operation["op"]
        timestamp = {"timestamp": operation["timestamp"]} if "timestamp" in operation else {}
        if kind == "set":
            database.set(operation["key"], decode(operation["value"]), **timestamp)
        elif kind == "setBytes":
            database.set(operation["key"], base64.b64decode(operation["bytes"]), encode_value=False, **timestamp)
        elif kind == "delete":
            del database[operation["key"]]
        elif kind == "setTimestamp":
            # The original knows only values that are local, and not in its write buffer.
            database.get(operation["key"])
            database.sync()
            database.set_timestamp(operation["key"], operation["timestamp"])
        elif kind == "setMetadata":
            database.set_metadata(decode(operation["value"]), **timestamp)
        elif kind == "prune":
            return database.prune(**timestamp)
        elif kind == "load":
            failures = database.load_items(operation.get("keys"))
            return {str(key): str(problem) for key, problem in (failures or {}).items()}
        elif kind in ("sync", "clear"):
            getattr(database, kind)()
        else:
            raise ValueError(f"unknown operation {kind}")

    def get(self, handle, keys):
        database = self.peer.handles[handle]
        answers = []
        for key in keys:
            answers.append({"value": encode(database.get(key)), "timestamp": database.get_timestamp(key)} if key in database else None)
        return answers

    def dump(self, handle):
        """All keys, each with what a lookup gives, which fetches what isn't local yet."""
        database = self.peer.handles[handle]
        keys = sorted(database.keys())
        stamps = dict(database.timestamps())
        metadata = database.get_metadata(include_timestamp=True)
        content, timestamp = metadata if isinstance(metadata, tuple) else (metadata, None)
        return {
            "size": len(database),
            "items": [{"key": key, "value": encode(database.get(key)), "timestamp": stamps[key]} for key in keys],
            "metadata": None if content is None and timestamp is None else {"value": encode(content), "timestamp": timestamp},
        }

    def changes(self, handle):
        changes = self.peer.handles[handle].changes()
        return {
            "changes": [encode(change) for change in changes.iter_changes()],
            "pendingDeletes": sorted(getattr(changes, "pending_deletes", [])),
        }

    def push(self, handle, force=False):
        result = self.peer.handles[handle].changes().push(force_push=force)
        if isinstance(result, bool):  # 0.8.3
            return {"updated": result, "failures": {}}
        if isinstance(result, (list, dict)):  # 0.8.3: the keys that failed
            return {"updated": True, "failures": {str(key): "failed" for key in result}}
        return {"updated": result.updated, "failures": {str(key): str(problem) for key, problem in result.failures.items()}}

    def pull(self, handle):
        self.peer.handles[handle].changes().pull()

    def discard(self, handle, keys=None):
        self.peer.handles[handle].changes().discard(keys)

    def delete(self, handle):
        self.peer.handles[handle].delete_remote()

    def copy(self, handle, target):
        failures = self.peer.handles[handle].copy_remote(connection(target))
        return {str(key): str(problem) for key, problem in (failures or {}).items()}

    def fsck(self, remote):
        """What the original's own check finds."""
        report = ebooklet.fsck(connection(remote), check_objects=True)
        return {
            "exists": report.db_object_exists,
            "formatVersion": report.format_version,
            "torn": report.torn_teardown,
            "expected": report.expected_objects,
            "orphans": [str(orphan) for orphan in report.orphans],
            "missing": [str(claimed) for claimed in report.claimed_but_missing],
            "unmanifested": [str(group) for group in report.unmanifested_group_ids],
        }

    # -- connection groups ---------------------------------------------------------------------------------

    def open_group(self, remote, path, flag="r"):
        return {"handle": self.peer.add(ebooklet.open_rcg(connection(remote), path, flag))}

    def add_member(self, handle, member, **options):
        """0.8.3 takes nothing but the connection."""
        known = {"key": "key", "userMeta": "user_meta"}
        self.peer.handles[handle].add(connection(member), **{known[name]: decode(value) for name, value in options.items()})

    def open_member(self, handle, key, path, access=None):
        """Opens a member for reading by what its entry says, with the credentials given."""
        entry = self.peer.handles[handle][key]
        member = ebooklet.S3Connection(**entry["remote_conn"], **(access or {}))
        return {"handle": self.peer.add(ebooklet.open_ebooklet(member, path, "r"))}

    # -- the lock, without a session ----------------------------------------------------------------------

    def lock_acquire(self, remote, exclusive=True, timeout=-1):
        import s3func

        lock = s3func.S3Lock(remote["access_key_id"], remote["access_key"], remote["bucket"], remote["db_key"], endpoint_url=remote["endpoint_url"])
        if not lock.acquire(timeout=timeout, exclusive=exclusive):
            return {"handle": None}
        return {"handle": self.peer.add(lock)}

    def lock_verify(self, handle):
        return self.peer.handles[handle].verify()

    def lock_release(self, handle):
        self.peer.take(handle).release()

    def lock_break(self, remote, older_than=None):
        """Breaks the tickets of others; `older_than` is an ISO 8601 time, by default two hours ago."""
        import s3func

        lock = s3func.S3Lock(remote["access_key_id"], remote["access_key"], remote["bucket"], remote["db_key"], endpoint_url=remote["endpoint_url"])
        broken = lock.break_other_locks(**({} if older_than is None else {"timestamp": older_than}))
        return encode(broken)


def commands(peer):
    remote = Remote(peer)
    return {
        "ebooklet.open": remote.open,
        "rcg.open": remote.open_group,
        "rcg.add": remote.add_member,
        "rcg.openMember": remote.open_member,
        "ebooklet.apply": remote.apply,
        "ebooklet.get": remote.get,
        "ebooklet.dump": remote.dump,
        "ebooklet.changes": remote.changes,
        "ebooklet.push": remote.push,
        "ebooklet.pull": remote.pull,
        "ebooklet.discard": remote.discard,
        "ebooklet.deleteRemote": remote.delete,
        "ebooklet.copyRemote": remote.copy,
        "ebooklet.fsck": remote.fsck,
        "lock.acquire": remote.lock_acquire,
        "lock.verify": remote.lock_verify,
        "lock.release": remote.lock_release,
        "lock.break": remote.lock_break,
    }
