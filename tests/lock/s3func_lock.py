"""One lock of the Python original, driven by lines on stdin: acquire [timeout] [shared], verify, break, others, release."""
import datetime
import json
import sys

from s3func import S3Lock

lock = S3Lock(*json.loads(sys.argv[1]), endpoint_url=sys.argv[2])
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    command, *rest = line.split()
    try:
        if command == "acquire":
            answer = lock.acquire(timeout=float(rest[0]) if rest else -1, exclusive="shared" not in rest)
        elif command == "verify":
            answer = lock.verify()
        elif command == "others":
            answer = [str(other) for other in lock.other_locks()]
        elif command == "break":
            lock.break_other_locks(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=1))
            answer = True
        else:
            answer = lock.release()
    except Exception as error:  # told to the test, which knows what it expects
        answer = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(answer), flush=True)
