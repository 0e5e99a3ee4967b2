"""What a script defines, and how it gets to workers: its functions, classes and globals.

A script is a module that workers cannot import: `__main__`, a notebook, a plugin that was loaded by its path. Data and
results refer to what it defines by name, as `pickle` does with modules. The definitions travel ahead of the tasks that
need them, once for each worker (`definitions`), and stand there in a namespace of the script's own (`namespaces`),
where each is loaded when it is asked for first. What has no name that leads to it (lambdas, closures) travels by value
(`pickler`). `rebuild` has what pickles call to make functions and classes.
"""
