from tunewright.storing.journal import Journal
from tunewright.storing.memory import MemoryStore
from tunewright.testing.stores import StoreContract


class TestMemoryStore(StoreContract):
    def opener(self, directory):
        store = MemoryStore()
        return lambda: store


class TestJournal(StoreContract):
    def opener(self, directory):
        opened = []

        def reopen():
            for journal in opened:
                journal.close()
            opened.append(Journal(directory / "study"))
            return opened[-1]

        return reopen
