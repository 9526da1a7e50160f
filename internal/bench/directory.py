"""What an administrator would write instead: reads two directories over four
connections, page by page, compares them, and writes what is missing.

    directory.py compare|create threads|processes SOURCE TARGET BASE ADMIN PASSWORD UNITS

It prints figures as the benchmark does. UNITS are the organizational units below BASE
among which the connections divide the work.
"""

import json
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import ldap
from ldap.controls import SimplePagedResultsControl

CONNECTIONS = 4
PAGE = 1000
ATTRIBUTES = ["uid", "employeeNumber", "givenName", "sn", "cn", "mail", "title", "departmentNumber"]

how, pool, source, target, base, admin, password, units = sys.argv[1:]
Pool = ThreadPoolExecutor if pool == "threads" else ProcessPoolExecutor


def connect(url):
    connection = ldap.initialize(url)
    connection.simple_bind_s(admin, password)
    return connection


def read(job):
    """Reads one unit: people by their number."""
    url, unit = job
    connection = connect(url)
    paging = SimplePagedResultsControl(True, PAGE, "")
    people = {}
    while True:
        message = connection.search_ext(
            "ou=%d,%s" % (unit, base), ldap.SCOPE_SUBTREE, "(objectClass=inetOrgPerson)", ATTRIBUTES, serverctrls=[paging]
        )
        _, entries, _, controls = connection.result3(message)
        for dn, attributes in entries:
            people[attributes["employeeNumber"][0]] = (dn, attributes)
        paging.cookie = [c for c in controls if c.controlType == paging.controlType][0].cookie
        if not paging.cookie:
            connection.unbind_s()
            return people


def wanted(person):
    """What a person of the source looks like in the target."""
    return {**person, "cn": [person["givenName"][0] + b" " + person["sn"][0]]}


def add(people):
    """Creates people over one connection."""
    connection = connect(target)
    for person in people:
        attributes = {"objectClass": [b"inetOrgPerson"], **person}
        dn = "uid=%s,ou=%s,%s" % (person["uid"][0].decode(), person["departmentNumber"][0].decode(), base)
        connection.add_s(dn, list(attributes.items()))
    connection.unbind_s()
    return len(people)


def worked():
    """Processor time, of the processes of a pool that has ended too."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in usages)


def figure(name, objects, took, cpu):
    print(json.dumps({"name": name, "objects": objects, "time": int(took * 1e9), "cpu": int(cpu * 1e9)}))


def main():
    began = time.time()
    jobs = [(url, unit) for url in (source, target) for unit in range(int(units))]
    sides = {source: {}, target: {}}
    with Pool(CONNECTIONS) as workers:
        for job, people in zip(jobs, workers.map(read, jobs)):
            sides[job[0]].update(people)
    missing, different = [], []
    for number, (_, person) in sides[source].items():
        there = sides[target].get(number)
        if there is None:
            missing.append(wanted(person))
        elif there[1] != wanted(person):
            different.append(number)
    gone = [number for number in sides[target] if number not in sides[source]]
    if different or gone or bool(missing) != (how == "create"):
        sys.exit("%d are missing, %d different, %d gone" % (len(missing), len(different), len(gone)))
    compared = time.time()
    if how == "compare":
        figure("script: compare", len(sides[source]) + len(sides[target]), compared - began, worked())
        return
    before = worked()
    with Pool(CONNECTIONS) as workers:
        created = sum(workers.map(add, [missing[i::CONNECTIONS] for i in range(CONNECTIONS)]))
    figure("script: create", created, time.time() - compared, worked() - before)


if __name__ == "__main__":
    main()
