SELECT employeeId AS employee_id, firstName AS first_name, departmentName AS department
FROM cleansed.people.employees
