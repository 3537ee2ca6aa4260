SELECT t.id AS ticket_id, t.external_id AS order_id, t.status, c.id AS customer_id, CAST(t.assignee_id AS VARCHAR) AS employee_id,
       t.created_at AS asked_at, 1 AS tickets
FROM cleansed.support.tickets AS t
JOIN cleansed.support.users AS u ON u.id = t.requester_id
LEFT JOIN cleansed.shop.customers AS c ON c.email = u.email
